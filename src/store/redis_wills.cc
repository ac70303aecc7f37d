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
  // how many go, their names, then names and values
  static const auto s = std::make_shared<const redis::Script>(R"(
local from = 2 + tonumber(ARGV[1])
for i = 2, from - 1, 1000 do redis.call('HDEL', KEYS[1], unpack(ARGV, i, math.min(i + 999, from - 1))) end
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
  using Target::Target;
  void set(std::string_view client_id, std::optional<std::string> value, std::function<void()> confirmed) {
    waiting_[client_id] = std::move(value);
    if (confirmed) told_.push_back(std::move(confirmed));
    ready();
  }

 private:
  struct Piece final : Batch {
    StringMap<std::optional<std::string>> entries;
    std::vector<std::function<void()>> told;
  };
  std::unique_ptr<Batch> next() override {
    if (waiting_.empty()) return nullptr;
    auto p = std::make_unique<Piece>();
    p->entries = std::exchange(waiting_, {});
    p->told = std::exchange(told_, {});
    p->bytes = sizeof(Piece);
    for (auto& [id, value] : p->entries) p->bytes += 80 + id.size() + (value ? value->size() : 0);
    return p;
  }
  void encode(const Batch& b, Sending, Words& out) override {
    auto& entries = static_cast<const Piece&>(b).entries;
    std::size_t gone = 0;
    for (auto& [id, value] : entries) gone += !value;
    out.add("EVALSHA").add(set_script()->sha).add("1").add(key()).number(gone);
    for (auto& [id, value] : entries)
      if (!value) out.add(id);
    for (auto& [id, value] : entries)
      if (value) out.add(id).add(*value);
  }
  void confirmed(Batch& b) override {
    for (auto& f : std::exchange(static_cast<Piece&>(b).told, {})) f();
  }
  void encode_last(Words&) override {}

  StringMap<std::optional<std::string>> waiting_;
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
  auto it = rows_.find(node);
  if (it == rows_.end()) it = rows_.emplace(node, std::make_unique<Row>(writer_, keys_.node(node, "wills"))).first;
  return *it->second;
}

void RedisWills::keep(std::string_view client_id, std::string will, std::function<void()> confirmed) {
  row(life_.name()).set(client_id, fmt::format("{} -\n{}", life_.epoch(), will), std::move(confirmed));
}

void RedisWills::forget(std::string_view client_id) { row(life_.name()).set(client_id, std::nullopt, nullptr); }

void RedisWills::done(std::string_view node, std::string_view client_id) {
  row(node).set(client_id, std::nullopt, nullptr);
}

struct RedisWills::Paging {
  std::string node, key, cursor = "0";
  std::uint64_t epoch = 0;
  std::function<void(std::optional<std::vector<Taken>>)> done;
  std::vector<Taken> found;
  std::size_t waits = 0;
  bool failed = false;
};

void RedisWills::take(std::string node, std::uint64_t epoch,
                      std::function<void(std::optional<std::vector<Taken>>)> done) {
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
        if (*self)
          (*self)->taken(p, o);
        else
          p->done(std::nullopt);
      },
      redis::kReads);
}

/// Of a page everything is answered. One in which nothing is for this node is not the answer.
void RedisWills::end_page(const std::shared_ptr<Paging>& p) {
  if (--p->waits > 0) return;
  if (p->failed) return p->done(std::nullopt);
  if (p->found.empty() && p->cursor != "0") return read_page(p);
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
    if (parts.holder != "-") {  // epoch/nonce/node
      const auto first = parts.holder.find('/'), second = parts.holder.find('/', first + 1);
      if (second == parts.holder.npos) continue;
      if (!life_.died(parts.holder.substr(second + 1), number_of(parts.holder.substr(0, first)))) continue;
    }
    Taken t{client_id, parts.will.empty() ? std::nullopt : decode_will(parts.will)};
    const std::string next =
        fmt::format("{} {}/{}/{}\n{}", parts.epoch, life_.epoch(), nonce_++, life_.name(), parts.will);
    ++p->waits;
    writer_.client().call(
        {"EVALSHA", take_script()->sha, "1", p->key, client_id, value, next}, p->key, kAnswer,
        [self = self_, p, t = std::move(t)](Outcome& o) mutable {
          p->failed |= !o.done() || !*self;
          if (o.done() && o.value().integer() == 1) p->found.push_back(std::move(t));
          if (*self)
            (*self)->end_page(p);
          else if (--p->waits == 0)
            p->done(std::nullopt);
        },
        redis::kControl);
  }
  end_page(p);
}

}  // namespace sb::store
