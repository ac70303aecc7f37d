// SPDX-License-Identifier: MIT
#include "store/redis_wills.h"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "store/redis_session_piece.h"

namespace sb::store {

using redis::Batch;
using redis::Outcome;
using redis::Words;

namespace {

constexpr Millis kAnswer{10000};
constexpr const char* kPage = "200";

const std::shared_ptr<const redis::Script>& set_script() {
  // wills epoch fenced; the writer's epoch (0: another node), how many go and how many of those that were taken, names,
  // names and marks, then names and values
  static const auto s = std::make_shared<const redis::Script>(R"(
local e = tonumber(ARGV[1])
if e > 0 and (tonumber(redis.call('GET', KEYS[2]) or '0') > e or tonumber(redis.call('GET', KEYS[3]) or '0') >= e) then
  return 'over'
end
local taken = 4 + tonumber(ARGV[2])
local from = taken + 2 * tonumber(ARGV[3])
for i = 4, taken - 1, 1000 do redis.call('HDEL', KEYS[1], unpack(ARGV, i, math.min(i + 999, taken - 1))) end
for i = taken, from - 1, 2 do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value and string.sub(value, 1, #ARGV[i + 1]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
for i = from, #ARGV, 1000 do redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV))) end
return 'done')");
  return s;
}

const std::shared_ptr<const redis::Script>& take_script() {
  // name, value that it has, value that it gets; → 1: it is ours
  static const auto s = std::make_shared<const redis::Script>(R"(
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return 1
end
return value == ARGV[3] and 1 or 0)");
  return s;
}

/// An entry taken apart.
struct Parts {
  std::uint64_t epoch = 0;
  std::string_view holder, will;
  static Parts of(std::string_view value) {
    Parts p;
    const auto end = std::min(value.find('\n'), value.size());
    const auto space = std::min(value.find(' '), end);
    p.epoch = number_of(value.substr(0, space));
    p.holder = value.substr(std::min(space + 1, end), end - std::min(space + 1, end));
    p.will = value.substr(std::min(end + 1, value.size()));
    return p;
  }
};

}  // namespace

/// The entries of one node: the last that was said of each client goes in one command.
class RedisWills::Row final : public redis::Target {
 public:
  /// What becomes of an entry.
  struct Change {
    enum class What : std::uint8_t { kept, gone, done } what = What::gone;
    std::string text;  ///< kept: its value; done: with what it has to begin
  };
  /// `epoch`: of this life of the node that they belong to; 0: of another node.
  Row(redis::Writer& w, const RedisKeys& keys, std::string_view node, std::uint64_t epoch)
      : Target(w, keys.node(node, "wills")),
        epoch_(epoch),
        epoch_key_(keys.node(node, "epoch")),
        fenced_key_(keys.node(node, "fenced")) {}
  void set(std::string_view client_id, Change c, std::function<void()> confirmed) {
    auto [it, is_new] = waiting_.try_emplace(client_id);
    // What is kept meanwhile takes the place of what is done.
    if (is_new || c.what != Change::What::done) it->second = std::move(c);
    if (confirmed) told_.push_back(std::move(confirmed));
    ready();
  }
  std::uint64_t epoch() const { return epoch_; }

 private:
  using What = Change::What;
  struct Piece final : Batch {
    StringMap<Change> entries;
    std::vector<std::function<void()>> told;
  };
  std::unique_ptr<Batch> next() override {
    if (waiting_.empty()) return nullptr;
    auto p = std::make_unique<Piece>();
    p->bytes = sizeof(Piece);
    while (!waiting_.empty() && p->entries.size() < kEntries) {
      auto entry = waiting_.extract(waiting_.begin());
      p->bytes += 96 + entry.key().size() + entry.mapped().text.size();
      p->entries.insert(std::move(entry));
    }
    if (waiting_.empty()) p->told = std::exchange(told_, {});
    return p;
  }
  void encode(const Batch& b, Sending, Words& out) override {
    auto& entries = static_cast<const Piece&>(b).entries;
    std::size_t gone = 0, done = 0;
    for (auto& [id, c] : entries) {
      gone += c.what == What::gone;
      done += c.what == What::done;
    }
    out.add("EVALSHA").add(set_script()->sha).add("3").add(key()).add(epoch_key_).add(fenced_key_);
    out.number(epoch_).number(gone).number(done);
    for (auto& [id, c] : entries)
      if (c.what == What::gone) out.add(id);
    for (auto& [id, c] : entries)
      if (c.what == What::done) out.add(id).add(c.text);
    for (auto& [id, c] : entries)
      if (c.what == What::kept) out.add(id).add(c.text);
  }
  void confirmed(Batch& b) override {
    for (auto& f : std::exchange(static_cast<Piece&>(b).told, {})) f();
  }
  void encode_last(Words&) override {}

  static constexpr std::size_t kEntries = 500;  ///< of one command
  const std::uint64_t epoch_;
  const std::string epoch_key_, fenced_key_;
  StringMap<Change> waiting_;
  std::vector<std::function<void()>> told_;
};

RedisWills::RedisWills(redis::Writer& writer, const RedisKeys& keys, const NodeLife& life)
    : writer_(writer),
      keys_(keys),
      life_(life),
      nonce_(std::random_device{}()),
      self_(std::make_shared<RedisWills*>(this)) {}
RedisWills::~RedisWills() { *self_ = nullptr; }

std::vector<std::shared_ptr<const redis::Script>> RedisWills::scripts() { return {set_script(), take_script()}; }

RedisWills::Row& RedisWills::row(std::string_view node) {
  const std::uint64_t epoch = node == life_.name() ? life_.epoch() : 0;
  auto& row = rows_[std::string(node)];
  if (!row || row->epoch() != epoch) row = std::make_unique<Row>(writer_, keys_, node, epoch);
  return *row;
}

void RedisWills::keep(std::string_view client_id, std::uint64_t connection, std::string will,
                      std::function<void()> confirmed) {
  if (life_.epoch() == 0) return;  // whoever is connected has to go
  kept_[hash_bytes(client_id)] = connection;
  row(life_.name())
      .set(client_id, {Row::Change::What::kept, fmt::format("{} -\n{}", life_.epoch(), will)}, std::move(confirmed));
}

void RedisWills::forget(std::string_view client_id, std::uint64_t connection) {
  const auto it = kept_.find(hash_bytes(client_id));
  if (it == kept_.end() || it->second != connection) return;
  kept_.erase(it);
  if (life_.epoch() > 0) row(life_.name()).set(client_id, {}, nullptr);
}

void RedisWills::check(std::function<void()> fewer) {
  if (kept_.empty() || life_.epoch() == 0) return;
  const std::string key = keys_.node(life_.name(), "wills");
  writer_.client().call(
      {"HLEN", key}, key, kAnswer,
      [self = self_, fewer = std::move(fewer)](Outcome& o) {
        if (!*self || !o.done()) return;
        const auto there = static_cast<std::size_t>(o.value().integer().value_or(0));
        if (there < (*self)->kept_.size()) fewer();
      },
      redis::kControl);
}

void RedisWills::keep_again(std::string_view client_id) {
  const auto it = kept_.find(hash_bytes(client_id));
  if (it != kept_.end()) keep(client_id, it->second, {}, nullptr);
}

void RedisWills::done(std::string_view node, const Taken& entry) {
  row(node).set(entry.client_id, {Row::Change::What::done, entry.mark}, nullptr);
}

void RedisWills::end_life() {
  rows_.clear();
  kept_.clear();
}

struct RedisWills::Paging {
  std::string node, key, cursor = "0";
  std::uint64_t epoch = 0;
  std::function<void(std::optional<Found>)> done;
  Found found;
  std::size_t waits = 0;
  bool failed = false;
};

void RedisWills::take(std::string node, std::uint64_t epoch, std::function<void(std::optional<Found>)> done) {
  auto p = std::make_shared<Paging>();
  p->key = keys_.node(node, "wills");
  p->node = std::move(node);
  p->epoch = epoch;
  p->done = std::move(done);
  read_page(p);
}

void RedisWills::read_page(const std::shared_ptr<Paging>& p) {
  writer_.client().call(
      {"HSCAN", p->key, p->cursor, "COUNT", kPage}, p->key, kAnswer,
      [self = self_, p](Outcome& o) {
        if (*self) (*self)->taken(p, o);
      },
      redis::kReads);
}

/// Of a page everything is answered. One in which nothing is for this node is not the answer.
void RedisWills::end_page(const std::shared_ptr<Paging>& p) {
  if (--p->waits > 0) return;
  if (p->failed) return p->done(std::nullopt);
  if (p->found.taken.empty() && p->cursor != "0") return read_page(p);
  p->done(std::move(p->found));
}

/// A page of a dead node's entries. What another node holds that lives is left to it.
void RedisWills::taken(const std::shared_ptr<Paging>& p, Outcome& page) {
  if (!page.done()) return p->done(std::nullopt);
  p->cursor = page.value()[0].text();
  p->waits = 1;
  const auto entries = page.value()[1];
  for (auto it = entries.begin(); it != entries.end(); ++it) {
    const std::string client_id((*it).text());
    if (++it == entries.end()) break;
    const std::string value((*it).text());
    const Parts parts = Parts::of(value);
    if (parts.epoch > p->epoch) continue;
    p->found.more = true;
    if (parts.holder != "-") {  // epoch/nonce/node
      const auto first = parts.holder.find('/'), second = parts.holder.find('/', first + 1);
      if (second == parts.holder.npos) continue;
      if (!life_.died(parts.holder.substr(second + 1), number_of(parts.holder.substr(0, first)))) continue;
    }
    const std::string mark = fmt::format("{} {}/{}/{}\n", parts.epoch, life_.epoch(), nonce_++, life_.name());
    const std::string next = mark + std::string(parts.will);
    Taken t{client_id, parts.will.empty() ? std::nullopt : decode_will(parts.will), mark};
    ++p->waits;
    writer_.client().call(
        {"EVALSHA", take_script()->sha, "1", p->key, client_id, value, next}, p->key, kAnswer,
        [self = self_, p, t = std::move(t)](Outcome& o) mutable {
          if (!*self) return;
          p->failed |= !o.done();
          if (o.done() && o.value().integer() == 1) p->found.taken.push_back(std::move(t));
          (*self)->end_page(p);
        },
        redis::kControl);
  }
  end_page(p);
}

}  // namespace sb::store
