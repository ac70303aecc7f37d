// SPDX-License-Identifier: MIT
#include "cluster/envelope.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace sb::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr WallTime kNow{Millis(1'700'000'000'000)};

/// Frames as lines.
struct Lines final : EnvelopeSink {
  std::vector<std::string> lines;
  void on_message(const model::MessageView& m, std::string_view group, std::uint8_t hops) override {
    lines.push_back("message " + show(m) + fmt::format(" {} {}", group, hops));
  }
  void on_appended(std::string_view f, const store::AppendedRun& r) override {
    std::string s = fmt::format("appended {} {}-{} {}-{}", f, r.previous.generation, r.previous.offset,
                                r.first.generation, r.first.offset);
    for (auto& k : r.known) s += fmt::format(" known {}-{}", k.generation, k.offset);
    for (auto& m : r.messages) s += " [" + show(m->view()) + "]";
    lines.push_back(s);
  }
  void on_hello(std::uint64_t e) override { lines.push_back(fmt::format("hello {}", e)); }
  void on_route(std::string_view f, std::uint8_t w) override { lines.push_back(fmt::format("route {} {}", f, w)); }
  void on_routes_end() override { lines.push_back("routes end"); }
  void on_log_began(std::string_view f, std::uint64_t i) override { lines.push_back(fmt::format("began {} {}", f, i)); }
  void on_log_ended(std::string_view f, std::uint64_t i) override { lines.push_back(fmt::format("ended {} {}", f, i)); }
  void on_kick(std::uint64_t n, std::string_view c, std::uint64_t e) override {
    lines.push_back(fmt::format("kick {} {} {}", n, c, e));
  }
  void on_released(std::uint64_t n) override { lines.push_back(fmt::format("released {}", n)); }
  void on_connected(std::string_view c, ports::ConnectTime t) override {
    lines.push_back(fmt::format("connected {} {}", c, t.time_since_epoch().count()));
  }
  void on_retained(std::string_view t, std::string_view e) override {
    lines.push_back(fmt::format("retained {} {}", t, e));
  }
  void on_barrier(std::uint64_t n) override { lines.push_back(fmt::format("barrier {}", n)); }
  void on_answer(std::uint64_t n) override { lines.push_back(fmt::format("answer {}", n)); }
  void on_gap(std::uint64_t n) override { lines.push_back(fmt::format("gap {}", n)); }
  void on_request(std::uint64_t n, std::string_view k, std::string_view b) override {
    lines.push_back(fmt::format("request {} {} {}", n, k, b));
  }
  void on_reply(std::uint64_t n, std::string_view b) override { lines.push_back(fmt::format("reply {} {}", n, b)); }
  void on_read(std::uint64_t n) override { lines.push_back(fmt::format("read {}", n)); }
  void on_leaving() override { lines.push_back("leaving"); }
  void on_group(ports::GroupNote&& n) override {
    lines.push_back(fmt::format("group {} {} {} {} {} {} {}-{} {}", n.filter, n.epoch, static_cast<int>(n.what),
                                static_cast<int>(n.answer), n.members, n.number, n.position.generation,
                                n.position.offset, n.message ? n.message->view().payload : "-"));
  }

  static std::string show(const model::MessageView& m) {
    return fmt::format("{}={} props={} qos={}{} expires={} publisher={:x}{}", m.topic, m.payload, m.properties, m.qos,
                       m.retain ? " retain" : "",
                       m.expires_at == kNoExpiry ? "never" : std::to_string((m.expires_at - kNow).count()), m.publisher,
                       m.identity ? fmt::format(" identity={:x}", m.identity) : "");
  }
};

model::MessageView message(std::string_view topic, std::string_view payload) {
  model::MessageView m;
  m.topic = topic;
  m.payload = payload;
  return m;
}

std::string everything() {
  std::string out;
  EnvelopeWriter w(out);
  auto m = message("t", "");
  w.message(m, kNow);
  m = message("a/b", "payload");
  m.properties = "P";
  m.qos = 2;
  m.retain = true;
  m.expires_at = kNow + Millis(1500);
  m.publisher = 0xFEDCBA9876543210;
  m.identity = 0x123456789ABCDEF1;
  w.message(m, kNow, "$share/g/a/b", 1);
  m.expires_at = kNow - Millis(5);
  m.qos = 1;
  store::AppendedRun run{{3, 7}, {4, 1}, {model::Message::copy(m), model::Message::copy(message("x", "y"))}, {{3, 8}}};
  w.appended("a/#", run, kNow);
  w.hello(1'700'000'000'001);
  w.route("f/+", kWantsLive | kWantsGroup);
  w.routes_end();
  w.log_began("l", 9);
  w.log_ended("l", std::numeric_limits<std::uint64_t>::max());
  w.kick(1, "client", 77);
  w.released(1);
  w.connected("client", ports::ConnectTime(std::chrono::microseconds(1'700'000'000'000'123)));
  w.retained("r", "entry");
  w.barrier(300);
  w.answer(300);
  w.gap(12);
  w.request(5, "kind", "body");
  w.reply(5, "");
  w.read(128);
  w.leaving();
  ports::GroupNote n{"$share/g/f", 9, ports::GroupNote::What::hand, 0, 0, 17, {4, 2}, model::Message::copy(m)};
  w.group(n, kNow);
  w.group({"$share/g/f", 9, ports::GroupNote::What::answer, 7, 3, 0, {}, nullptr}, kNow);
  return out;
}

TEST(Envelope, EveryFrameComesAsItWasWritten) {
  Lines l;
  EXPECT_EQ(read_envelope(everything(), kNow, l), EnvelopeFault::none);
  EXPECT_THAT(
      l.lines,
      ElementsAre("message t= props= qos=0 expires=never publisher=0  0",
                  "message a/b=payload props=P qos=2 retain expires=1500 publisher=fedcba9876543210 "
                  "identity=123456789abcdef1 $share/g/a/b 1",
                  "appended a/# 3-7 4-1 known 3-8 [a/b=payload props=P qos=1 retain expires=0 "
                  "publisher=fedcba9876543210 identity=123456789abcdef1] [x=y props= qos=0 expires=never publisher=0]",
                  "hello 1700000000001", "route f/+ 5", "routes end", "began l 9", "ended l 18446744073709551615",
                  "kick 1 client 77", "released 1", "connected client 1700000000000123", "retained r entry",
                  "barrier 300", "answer 300", "gap 12", "request 5 kind body", "reply 5 ", "read 128", "leaving",
                  "group $share/g/f 9 0 0 0 17 4-2 payload", "group $share/g/f 9 3 7 3 0 0-0 -"));
}

TEST(Envelope, AnotherVersionIsRefused) {
  Lines l;
  std::string s = everything();
  s[0] = 2;
  EXPECT_EQ(read_envelope(s, kNow, l), EnvelopeFault::version);
  EXPECT_EQ(read_envelope("", kNow, l), EnvelopeFault::version);
  EXPECT_THAT(l.lines, IsEmpty());
}

TEST(Envelope, WhatDoesNotFitIsRefused) {
  const std::string cases[] = {
      std::string("\1\0", 2),                                        // no such frame
      "\1\x7F",                                                      // no such frame
      "\1\1",                                                        // a message without anything
      std::string("\1\1\3\1\0t", 6),                                 // QoS 3
      std::string("\1\1\x80\1\0t", 6),                               // an unknown flag
      std::string("\1\1\0\0\0", 5),                                  // no topic
      std::string("\1\1\0\2\0t", 6),                                 // a topic that ends early
      "\1\1\1\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1t",             // a payload of 2^64 - 1
      "\1\1\1\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\2t",             // a number above 64 bits
      std::string("\1\1\x10\1\0\xFF\xFF\xFF\xFF\xFF\xFF\xFFt", 13),  // an expiry that no clock has
      "\1\2\1f\1\1\1\2\xFF\xFF\xFF\xFF\7",                           // a run of very many messages
      std::string("\1\2\1f\1\1\1\2\0\0", 10),                        // of none
      "\1\4\x10\1f",                                                 // a wish that does not exist
      std::string("\1\4\1\0", 4),                                    // of no filter
      std::string("\1\x0B\2\1t", 5),                                 // neither present nor gone
      std::string("\1\x13\4\0\1\1\1\1\1\1f", 11),                    // a note of no kind
      std::string("\1\x13\0\0\1\1\1\1\1\1f", 11),                    // a hand-out without a message
  };
  for (auto& c : cases) {
    Lines l;
    EXPECT_EQ(read_envelope(c, kNow, l), EnvelopeFault::malformed) << fmt::format("{}", &c - cases);
    EXPECT_THAT(l.lines, IsEmpty()) << &c - cases;
  }
}

TEST(Envelope, EveryBeginningOfAFieldIsReadOrRefused) {
  const std::string all = everything();
  std::size_t most = 0;
  for (std::size_t n = 1; n <= all.size(); ++n) {
    Lines l;
    const std::string part = all.substr(0, n);  // of its own, so that a sanitizer sees its end
    read_envelope(part, kNow, l);
    EXPECT_GE(l.lines.size(), most);
    most = l.lines.size();
  }
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string s = all;
    for (int k = 0; k < 3; ++k) s[1 + random() % (s.size() - 1)] = static_cast<char>(random());
    Lines l;
    read_envelope(s, kNow, l);
  }
}

}  // namespace
}  // namespace sb::cluster
