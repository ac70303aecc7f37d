// SPDX-License-Identifier: MIT
#include "store/embedded_encoding.h"

#include <gtest/gtest.h>

#include "store/embedded_log_state.h"
#include "store/embedded_wal.h"

namespace sb::store::embedded {
namespace {

model::MessageView message() {
  model::MessageView m;
  m.topic = "a/b";
  m.properties = std::string_view("\x01\x01", 2);
  m.payload = std::string_view("\0\xFFx", 3);
  m.qos = 2;
  m.retain = true;
  m.publisher = 0xFEDCBA9876543210;
  m.id = 77;
  m.expires_at = WallTime(Seconds(2'000'000'000));
  return m;
}

/// No beginning of `bytes` decodes, and none is read beyond its end (a copy of exact size, for the sanitizers).
template <class Decode>
void expect_bounded(const std::string& bytes, Decode decode) {
  EXPECT_TRUE(decode(bytes));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    std::vector<char> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_FALSE(decode(std::string_view(part.data(), n))) << n;
  }
  std::string other = bytes;
  other[0] = 99;
  EXPECT_FALSE(decode(other)) << "of another format";
}

TEST(EmbeddedEncoding, Message) {
  std::string bytes = encode(message());
  auto m = decode_message(bytes);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->topic, "a/b");
  EXPECT_EQ(m->properties, message().properties);
  EXPECT_EQ(m->payload, message().payload);
  EXPECT_EQ(m->qos, 2);
  EXPECT_TRUE(m->retain);
  EXPECT_EQ(m->publisher, message().publisher);
  EXPECT_EQ(m->id, 77u);
  EXPECT_EQ(m->expires_at, message().expires_at);
  EXPECT_EQ(decode_message(encode(model::MessageView{}))->expires_at, kNoExpiry);
  EXPECT_FALSE(decode_message(""));
  EXPECT_FALSE(decode_message(bytes.substr(0, 20)));
  EXPECT_FALSE(decode_message(bytes.substr(0, 29))) << "shorter than its topic and properties";
}

TEST(EmbeddedEncoding, SessionCore) {
  model::SessionRecord r;
  r.username = "u";
  r.epoch = 1ull << 50;
  r.incarnation = 3;
  r.expiry = 0xFFFFFFFF;
  r.connected = true;
  r.next_order = 300;
  r.will = {model::Message::copy(message()), 5, 60, true};
  r.will_due = WallTime(Seconds(9));
  std::string bytes = encode_core(r);
  auto c = decode_core(bytes);
  ASSERT_TRUE(c);
  EXPECT_EQ(encode_core(*c), bytes);
  EXPECT_EQ(c->username, "u");
  EXPECT_EQ(c->epoch, r.epoch);
  EXPECT_EQ(c->will.message->view().payload, message().payload);
  EXPECT_EQ(c->will_due, r.will_due);
  EXPECT_EQ(c->expires_at, kNoExpiry);
  expect_bounded(bytes, [](std::string_view s) { return decode_core(s).has_value(); });
}

TEST(EmbeddedEncoding, SubscriptionAndPacketId) {
  model::SubscriptionRecord s;
  s.filter = "$share/g/#";
  s.options = {2, true, true, 2};
  s.subscription_id = 268'435'455;
  s.order = 1'000'000;
  s.logged = s.draining = true;
  s.next = {1ull << 45, 300};
  s.covers = {{"a", {1, 2}}, {"", {}}};
  std::string bytes = encode(s);
  EXPECT_EQ(encode(*decode_subscription(bytes)), bytes);
  EXPECT_EQ(decode_subscription(bytes)->options, s.options);
  expect_bounded(bytes, [](std::string_view v) { return decode_subscription(v).has_value(); });

  model::OutboundRecord o{1000, 65535, model::OutboundState::released, "f", {7, 8}, model::Message::copy(message())};
  bytes = encode(o);
  EXPECT_EQ(encode(*decode_outbound(bytes)), bytes);
  expect_bounded(bytes, [](std::string_view v) { return decode_outbound(v).has_value(); });
  expect_bounded(encode(model::Position{300, 1ull << 40}), [](auto v) { return decode_position(v).has_value(); });
}

TEST(EmbeddedEncoding, KeysAreInOrder) {
  EXPECT_LT(EntryKey(1, 255).view(), EntryKey(1, 256).view());
  EXPECT_LT(EntryKey(1, UINT64_MAX).view(), EntryKey(2, 0).view());
  EXPECT_LT(due_key(WallTime(Millis(255)), "z"), due_key(WallTime(Millis(256)), "a"));
  EXPECT_FALSE(session_prefix("ab").starts_with(session_prefix("a")));
  std::string_view rest;
  std::string key = session_prefix("client") + "sfilter", cut = session_prefix("client").substr(0, 5);
  EXPECT_EQ(client_of(key, rest), "client");
  EXPECT_EQ(rest, "sfilter");
  EXPECT_EQ(client_of(cut, rest), "");
}

// ---------------------------------------------------------------- logs in memory

LogState log_with(int messages, const Grain& grain) {
  LogState s;
  s.id = 1;
  s.filter = "f";
  s.begin_era(10);
  for (int i = 0; i < messages; ++i) s.append(100, WallTime(Millis(i)), grain);
  return s;
}

TEST(LogState, PositionsOverGenerations) {
  Grain grain{model::Limits{}};
  LogState s = log_with(5, grain);
  s.begin_era(20);
  for (int i = 0; i < 3; ++i) s.append(100, {}, grain);
  const struct {
    model::Position reader;
    std::uint64_t offset;
  } rows[] = {{{10, 0}, 0}, {{10, 3}, 3}, {{10, 5}, 5}, {{10, 99}, 5},  // it may have seen what was forgotten
              {{15, 9}, 5}, {{20, 5}, 5}, {{20, 7}, 7}, {{20, 99}, 8}, {{30, 2}, 2}, {{9, 4}, 0}};
  for (auto& row : rows)
    EXPECT_EQ(s.offset_of(row.reader), row.offset) << row.reader.generation << "," << row.reader.offset;
  EXPECT_EQ(s.position(5), (model::Position{10, 5}));
  EXPECT_EQ(s.position(6), (model::Position{20, 6}));
  EXPECT_EQ(s.position(0), (model::Position{10, 0}));
  for (std::uint64_t o = 0; o <= 8; ++o) EXPECT_EQ(s.offset_of(s.position(o)), o);
  s.drop_to(8);
  EXPECT_EQ(s.eras.size(), 1u);
  EXPECT_EQ(s.head_position(), (model::Position{20, 8})) << "an empty log knows its head";
}

TEST(LogState, PiecesAccountForWhatIsThere) {
  model::Limits limits;
  limits.log_messages = 640;  // pieces of 10
  LogState s = log_with(95, Grain{limits});
  EXPECT_EQ(s.pieces.size(), 10u);
  EXPECT_EQ(s.bytes, 9500u);
  s.drop_to(25);
  EXPECT_EQ(s.messages(), 70u);
  EXPECT_EQ(s.bytes, 7000u);
  auto again = LogState::decode(1, s.encode());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->encode(), s.encode());
  EXPECT_EQ(again->bytes, s.bytes);
  s.drop_to(95);
  EXPECT_EQ(s.bytes, 0u);
  EXPECT_TRUE(s.pieces.empty());
  EXPECT_EQ(s.head, 95u);
  std::string bytes = s.encode();
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(LogState::decode(1, bytes.substr(0, n)));
}

TEST(Members, TheLowestCounts) {
  Members m;
  EXPECT_EQ(m.lowest(7), 7u);
  EXPECT_TRUE(m.add("a", 3));
  EXPECT_FALSE(m.add("a", 1));
  EXPECT_TRUE(m.add("b", 5));
  EXPECT_EQ(m.lowest(9), 3u);
  EXPECT_TRUE(m.remove("a"));
  EXPECT_FALSE(m.remove("a"));
  EXPECT_EQ(m.lowest(9), 5u);
  EXPECT_EQ(m.find("a"), nullptr);
}

}  // namespace
}  // namespace sb::store::embedded
