// SPDX-License-Identifier: MIT
#include "store/redis_schedule.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace sb::store {
namespace {

using redis::Batch;
using redis::Outcome;
using redis::Words;

constexpr Millis kOwnShard{5000}, kOtherShard{30000};  ///< between two looks at one where nothing is known to be due
constexpr Millis kAnswer{3000};
constexpr std::size_t kEntries = 500;  ///< of one command

std::string score(WallTime t) { return std::to_string(t.time_since_epoch().count()); }

const std::shared_ptr<const redis::Script>& move_script() {
  static const auto s = std::make_shared<const redis::Script>(R"(
for i = 1, #ARGV, 3 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or '-1') == tonumber(ARGV[i + 1]) then
    if ARGV[i + 2] == '-' then
      redis.call('ZREM', KEYS[1], ARGV[i])
    else
      redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
    end
  end
end
return 'done')");
  return s;
}

}  // namespace

std::shared_ptr<const redis::Script> RedisSchedule::script() { return move_script(); }

/// The writes to one shard: what gathers goes in one command, as long as it is of one kind.
class RedisSchedule::Row final : public redis::Target {
 public:
  enum class Kind : std::uint8_t { add, lower, move };
  struct Change {
    Kind kind;
    std::string client_id, score, expected;  ///< score: "-" = it goes
    Done confirmed;
  };
  Row(redis::Writer& w, std::string key) : Target(w, std::move(key)) {}
  void give(Change c) {
    waiting_.push_back(std::move(c));
    ready();
  }

 private:
  struct Piece final : Batch {
    Kind kind{};
    bool was_there = false;  ///< it was confirmed: another node may have lowered it since
    std::vector<Change> changes;
  };
  std::unique_ptr<Batch> next() override {
    if (waiting_.empty()) return nullptr;
    auto p = std::make_unique<Piece>();
    p->kind = waiting_.front().kind;
    p->bytes = sizeof(Piece);
    while (!waiting_.empty() && waiting_.front().kind == p->kind && p->changes.size() < kEntries) {
      p->bytes += sizeof(Change) + waiting_.front().client_id.size();
      p->changes.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    return p;
  }
  void encode(const Batch& b, Sending, Words& out) override {
    auto& p = static_cast<const Piece&>(b);
    if (p.kind == Kind::move)
      out.add("EVALSHA").add(move_script()->sha).add("1").add(key());
    else
      out.add("ZADD").add(key());
    if (p.kind == Kind::lower || (p.kind == Kind::add && p.was_there)) out.add("LT");
    for (auto& c : p.changes) {
      if (p.kind == Kind::move)
        out.add(c.client_id).add(c.expected).add(c.score);
      else
        out.add(c.score).add(c.client_id);
    }
  }
  void confirmed(Batch& b) override {
    static_cast<Piece&>(b).was_there = true;
    for (auto& c : static_cast<Piece&>(b).changes)
      if (auto done = std::exchange(c.confirmed, nullptr)) done();
  }
  void encode_last(Words&) override {}  // all of them may be repeated
  std::deque<Change> waiting_;
};

RedisSchedule::RedisSchedule(redis::Writer& writer, const RedisKeys& keys, const NodeLife& life)
    : writer_(writer), keys_(keys), life_(life), self_(std::make_shared<RedisSchedule*>(this)) {}
RedisSchedule::~RedisSchedule() { *self_ = nullptr; }

RedisSchedule::Shard& RedisSchedule::shard_of(std::string_view client_id, Row*& row) {
  const std::size_t i = RedisKeys::shard_of(client_id);
  Shard& s = shards_[i];
  if (!s.row) s.row = std::make_unique<Row>(writer_, keys_.schedule(i));
  row = s.row.get();
  return s;
}

void RedisSchedule::add(std::string_view client_id, WallTime when, Done confirmed) {
  Row* row;
  Shard& s = shard_of(client_id, row);
  s.next = std::min(s.next, when);
  row->give({Row::Kind::add, std::string(client_id), score(when), {}, std::move(confirmed)});
}

void RedisSchedule::lower(std::string_view client_id, WallTime when, Done confirmed) {
  Row* row;
  Shard& s = shard_of(client_id, row);
  s.next = std::min(s.next, when);
  row->give({Row::Kind::lower, std::string(client_id), score(when), {}, std::move(confirmed)});
}

void RedisSchedule::looked(const Entry& e, std::optional<WallTime> to, Done confirmed) {
  Row* row;
  Shard& s = shard_of(e.client_id, row);
  if (to) s.next = std::min(s.next, *to);
  row->give({Row::Kind::move, e.client_id, to ? score(*to) : "-", score(e.when),
             [this, id = e.client_id, confirmed = std::move(confirmed)] {
               looking_.erase(id);
               if (confirmed) confirmed();
             }});
}

/// Shards are spread over the nodes that live; whoever is not asked for one looks at it all the same, seldom.
bool RedisSchedule::wants(std::size_t shard, WallTime now) const {
  const Shard& s = shards_[shard];
  if (s.asking) return false;
  if (s.next <= now || s.asked == MonoTime::min()) return true;
  const auto share = life_.share();
  const bool own = share.of < 2 || shard % share.of == share.index;
  return writer_.loop().now() - s.asked >= (own ? kOwnShard : kOtherShard);
}

void RedisSchedule::due(WallTime now, std::size_t max, std::function<void(std::vector<Entry>)> done) {
  struct Asking {
    std::size_t waits = 1;
    std::vector<Entry> found;
    std::function<void(std::vector<Entry>)> done;
    void end() {
      if (--waits > 0) return;
      std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.when < b.when; });
      done(std::move(found));
    }
  };
  auto asking = std::make_shared<Asking>();
  asking->done = std::move(done);
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (!wants(i, now)) continue;
    shards_[i].asking = true;
    shards_[i].asked = writer_.loop().now();
    shards_[i].next = kNoExpiry;  // what is added meanwhile lowers it
    ++asking->waits;
    const std::string key = keys_.schedule(i);
    writer_.client().call(
        {"ZRANGEBYSCORE", key, "-inf", "+inf", "WITHSCORES", "LIMIT", "0", std::to_string(max)}, key, kAnswer,
        [self = self_, asking, i, now, max](Outcome& o) {
          RedisSchedule* s = *self;
          if (!s) return;
          s->shards_[i].asking = false;
          if (o.done())
            s->take(i, now, max, o.value(), asking->found);
          else
            s->shards_[i].next = WallTime::min();
          asking->end();
        },
        redis::kReads);
  }
  asking->end();
}

void RedisSchedule::take(std::size_t shard, WallTime now, std::size_t max, redis::Reply::View found,
                         std::vector<Entry>& to) {
  Shard& s = shards_[shard];
  std::size_t n = 0;
  for (auto it = found.begin(); it != found.end(); ++it) {
    Entry e;
    e.client_id = (*it).text();
    if (++it == found.end()) return;
    e.when = WallTime(Millis(static_cast<std::int64_t>(std::strtod(std::string((*it).text()).c_str(), nullptr))));
    if (e.when > now) {
      s.next = std::min(s.next, e.when);
      return;
    }
    if (looking_.insert(e.client_id).second)
      to.push_back(std::move(e));
    else
      s.next = std::min(s.next, e.when);
    ++n;
  }
  if (n == max) s.next = std::min(s.next, now);  // there may be more
}

void RedisSchedule::count(std::function<void(std::uint64_t)> done) {
  struct Counting {
    std::size_t waits = RedisKeys::kShards;
    std::uint64_t n = 0;
  };
  auto counting = std::make_shared<Counting>();
  for (std::size_t i = 0; i < RedisKeys::kShards; ++i) {
    const std::string key = keys_.schedule(i);
    writer_.client().call(
        {"ZCARD", key}, key, Seconds(3600),
        [self = self_, counting, done](Outcome& o) {
          if (!*self) return;
          if (o.done())
            counting->n += static_cast<std::uint64_t>(std::max<std::int64_t>(0, o.value().integer().value_or(0)));
          if (--counting->waits == 0) done(counting->n);
        },
        redis::kReads);
  }
}

}  // namespace sb::store
