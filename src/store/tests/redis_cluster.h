// SPDX-License-Identifier: MIT
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/limits.h"
#include "ports/errc.h"
#include "redis/tests/bench.h"
#include "store/memory_logs.h"
#include "store/tests/redis_node.h"

namespace sb::store::test {

/// What a test says of the cluster.
struct SaidLife final : NodeLife {
  SaidLife(std::string n, std::uint64_t e) : name_(std::move(n)), epoch_(e) {}
  std::string_view name() const override { return name_; }
  std::uint64_t epoch() const override { return epoch_; }
  std::optional<WallTime> died(std::string_view node, std::uint64_t epoch) const override {
    auto it = deaths.find({std::string(node), epoch});
    return it == deaths.end() ? std::nullopt : std::optional(it->second);
  }
  Share share() const override { return {0, 2}; }
  void let_go(const std::string& id, std::uint64_t mark, MonoTime, std::function<void(bool)> done) override {
    asked.push_back({id, mark, std::move(done)});
    if (says_at_once) asked.back().done(true);
  }
  bool says_at_once = true;
  struct Asked {
    std::string client_id;
    std::uint64_t mark;
    std::function<void(bool)> done;
  };
  std::vector<Asked> asked;
  /// The next life of the node; 0: it is between two.
  void begin(std::uint64_t epoch) { epoch_ = epoch; }
  std::map<std::pair<std::string, std::uint64_t>, WallTime> deaths;

 private:
  const std::string name_;
  std::uint64_t epoch_;
};

/// A node of a cluster, with its sessions. It runs only while its own loop is turned: otherwise it hangs.
struct SessionNode final : SessionWatcher {
  SessionNode(const redis::testing::RedisServer& server, std::string name, redis::WriterOptions w = {})
      : life(std::move(name), 7),
        writer(loop, url_of(server), RedisNode::options(), std::move(w)),
        logs(model::Limits{}, [](std::string_view, ports::LogId) {}),

        sessions(writer, keys, life, logs, 1'000'000, this) {
    writer.start();
  }
  void on_lost(std::string_view id, std::uint64_t) override { lost.emplace_back(id); }
  void on_wills_forgotten() override { ++forgotten; }
  void on_displaced(std::string_view node, std::string_view id, std::uint64_t epoch) override {
    displaced.push_back(std::string(node) + " " + std::string(id) + " " + std::to_string(epoch));
  }

  template <class T, class Ask>
  result<T> ask(Ask request) {
    std::optional<result<T>> answer;
    request([&](result<T> r) { answer.emplace(std::move(r)); });
    if (!loop.until([&] { return answer.has_value(); })) {
      ADD_FAILURE() << "no answer: " << writer.trouble();
      return make_error_code(ports::errc::unavailable);
    }
    return std::move(*answer);
  }
  static ports::SessionStore::Claim request(std::string id, bool clean = false, std::string_view will = {},
                                            std::uint32_t expiry = 100) {
    ports::SessionStore::Claim c;
    c.client_id = std::move(id);
    c.username = "user";
    c.clean = clean;
    c.durable = true;
    c.expiry = expiry;
    c.now = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
    if (!will.empty()) {
      model::MessageView v;
      v.topic = "will";
      v.payload = will;
      c.will.message = model::Message::copy(v);
    }
    return c;
  }
  using Claimed = ports::SessionStore::Claimed;
  Claimed claim(std::string id, bool clean = false, std::string_view will = {}, std::uint32_t expiry = 100) {
    auto r = ask<Claimed>([&](auto done) { sessions.claim(request(std::move(id), clean, will, expiry), done); });
    EXPECT_TRUE(r) << r.error().message();
    return r ? std::move(*r) : Claimed{};
  }
  error_code change(const std::string& id, std::uint64_t epoch, ports::SessionChange c) {
    auto r = ask<void>([&](auto done) { sessions.change(id, epoch, std::move(c), done); });
    return r ? error_code{} : r.error();
  }
  error_code order(const std::string& id, std::uint64_t epoch, std::uint64_t next) {
    ports::SessionChange c;
    c.next_order = next;
    return change(id, epoch, std::move(c));
  }
  using Dues = std::vector<ports::SessionStore::Due>;
  Dues due(WallTime now) {
    return ask<Dues>([&](auto done) { sessions.take_due(now, done); }).value();
  }

  redis::testing::TestLoop loop;
  RedisKeys keys;
  SaidLife life;
  redis::Writer writer;
  MemoryLogs logs;
  RedisSessions sessions;
  std::vector<std::string> lost, displaced;
  int forgotten = 0;
};

}  // namespace sb::store::test
