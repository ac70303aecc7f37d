// SPDX-License-Identifier: MIT
#include "store/redis_retained.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>

#include "model/topic.h"
#include "ports/errc.h"
#include "store/memory_retained.h"

namespace sb::store {

using ports::errc;
using redis::Outcome;

namespace {

constexpr Millis kTick{100};
constexpr Millis kAnswer{30000};
// An entry that is older than the first is written again with the next message, before that; one is removed only when
// it is older than the second and its message is gone. So nobody removes the entry of a message that is being set.
constexpr Millis kRefresh{300'000}, kRemove{600'000};
constexpr std::size_t kLooksATick = 500;   ///< topics that are looked at for their expiry
constexpr std::size_t kWaiting = 100'000;  ///< requests that wait for the topics

std::uint64_t cost_of(const model::MessageView& m) {
  const std::uint64_t n = sizeof(model::Message) + m.bytes() + m.topic.size();
  return (n + 63) / 64 * 64;
}

template <class T>
bool parse(std::string_view text, T& n) {
  auto [end, e] = std::from_chars(text.data(), text.data() + text.size(), n);
  return e == std::errc() && end == text.data() + text.size();
}

std::int64_t ms_of(WallTime t) { return t.time_since_epoch().count(); }

}  // namespace

std::string RetainedEntry::text() const {
  return fmt::format("{} {} {}", cost, expires == kNoExpiry ? -1 : ms_of(expires), ms_of(stamp));
}

std::optional<RetainedEntry> RetainedEntry::of(std::string_view text) {
  const auto first = text.find(' '), second = text.find(' ', first + 1);
  RetainedEntry e;
  std::int64_t expires = 0, stamp = 0;
  if (second == text.npos || !parse(text.substr(0, first), e.cost) ||
      !parse(text.substr(first + 1, second - first - 1), expires) || !parse(text.substr(second + 1), stamp))
    return {};
  if (expires >= 0) e.expires = WallTime(Millis(expires));
  e.stamp = WallTime(Millis(stamp));
  return e;
}

RedisRetained::RedisRetained(redis::Writer& writer, const RedisKeys& keys, const NodeLife& life, Options options,
                             RetainedPeers* peers)
    : writer_(writer),
      keys_(keys),
      life_(life),
      options_(options),
      peers_(peers),
      self_(std::make_shared<RedisRetained*>(this)) {
  std::random_device random;
  source_.name = fmt::format("{}#{:08x}{:08x}", life_.name(), random(), random());
  writer_.loop().timers().set(*this, writer_.loop().now() + kTick);
  begin_load();
}

RedisRetained::~RedisRetained() {
  *self_ = nullptr;
  writer_.loop().timers().cancel(*this);
}

std::vector<std::shared_ptr<const redis::Script>> RedisRetained::scripts() {
  return {RetainedRow::script(), RetainedTopicsRow::script()};
}

// ---------------------------------------------------------------- topics

void RedisRetained::put(std::string_view topic, const RetainedEntry& e) {
  auto& to = topics_[std::string(topic)];
  bytes_ += e.cost - to.cost;
  to = e;
  count_.store(topics_.size(), std::memory_order_relaxed);
}

void RedisRetained::erase(std::string_view topic) {
  auto it = topics_.find(std::string(topic));
  if (it == topics_.end()) return;
  bytes_ -= it->second.cost;
  gone_.push_back({writer_.loop().now(), it->first, it->second.stamp});
  topics_.erase(it);
  count_.store(topics_.size(), std::memory_order_relaxed);
}

/// Redis has no message of the topic, unless it was set since the entry with this stamp was looked at.
void RedisRetained::is_gone(const std::string& topic, WallTime stamp, WallTime now) {
  auto it = topics_.find(topic);
  if (it == topics_.end() || it->second.stamp != stamp) return;
  if (auto row = rows_.find(topic); row != rows_.end())
    if (auto m = row->second->latest(); m && !m->view().payload.empty() && !m->view().expired(now)) return;
  uncache(topic);
  erase(topic);
}

RetainedTopicsRow& RedisRetained::topics_row(std::string_view topic) {
  const std::size_t i = RedisKeys::shard_of(topic);
  if (!topics_rows_[i]) topics_rows_[i] = std::make_unique<RetainedTopicsRow>(writer_, keys_.retained_topics(i));
  return *topics_rows_[i];
}

RetainedRow& RedisRetained::row(std::string_view topic) {
  auto it = rows_.find(topic);
  if (it != rows_.end()) return *it->second;
  RetainedRow::Owner& owner = *this;
  auto r = std::make_unique<RetainedRow>(writer_, std::string(topic), keys_.retained(topic), source_, owner);
  return *(rows_[std::string(topic)] = std::move(r));
}

// ---------------------------------------------------------------- set

void RedisRetained::set(model::MessagePtr m, Done<void> done) {
  if (!loaded_) {
    if (for_load_.size() >= kWaiting) return done(make_error_code(errc::unavailable));
    for_load_.push_back(
        [this, m = std::move(m), done = std::move(done)]() mutable { set(std::move(m), std::move(done)); });
    return;
  }
  if (!writer_.has_room()) return done(make_error_code(errc::unavailable));
  const auto& view = m->view();
  const std::string topic(view.topic);
  auto it = topics_.find(topic);
  const bool known = it != topics_.end();
  std::optional<RetainedEntry> entry;
  if (view.payload.empty()) {
    if (!known && !peers_ && !rows_.contains(topic)) return done({});
    uncache(topic);
    erase(topic);
  } else {
    const std::uint64_t more = cost_of(view), less = known ? it->second.cost : 0;
    // What is replaced by something smaller is always taken.
    if ((!known && topics_.size() >= options_.limit) || (more > less && bytes_ + more - less > options_.bytes))
      return done(make_error_code(errc::quota));
    entry = RetainedEntry{more, view.expires_at, known ? it->second.stamp : WallTime{}};
    const WallTime wall = writer_.loop().wall();
    const bool write_entry = !known || wall - entry->stamp >= kRefresh || more > less + less / 4 || more < less / 2;
    if (write_entry) entry->stamp = wall;
    put(topic, *entry);
    keep(topic, m);
    if (write_entry) {
      row(topic).hold();
      topics_row(topic).put(topic, entry->text(), [this, topic] { row(topic).release(); });
    }
  }
  ++changes_[RedisKeys::shard_of(topic)];
  if (peers_)
    done = [this, topic, entry, done = std::move(done)](result<void> r) {
      if (!r) return done(r);
      peers_->retained_set(topic, entry, [done] { done({}); });
    };
  row(topic).set(std::move(m), std::move(done));
}

/// Redis need not have the topic's entry any more, which may have been written long before; and the other nodes may
/// have read it in between.
void RedisRetained::came_again(const std::string& topic, const model::MessageView& m) {
  RetainedEntry entry;
  if (m.payload.empty()) {
    uncache(topic);
    erase(topic);
  } else {
    entry = {cost_of(m), m.expires_at, writer_.loop().wall()};
    if (loaded_) put(topic, entry);
    topics_row(topic).put(topic, entry.text(), nullptr);
  }
  // Not that it was cleared: a newer one of another node may have come again before they hear this. They look.
  if (peers_) peers_->retained_set(topic, entry, nullptr);
}

// ---------------------------------------------------------------- match

void RedisRetained::match(std::string_view filter, std::string resume, std::size_t max, WallTime now, Done<Page> done) {
  if (!loaded_) {
    if (for_load_.size() >= kWaiting) return done(make_error_code(errc::unavailable));
    for_load_.push_back([this, f = std::string(filter), resume = std::move(resume), max, now,
                         done = std::move(done)]() mutable { match(f, std::move(resume), max, now, std::move(done)); });
    return;
  }
  auto r = std::make_shared<Reading>();
  r->now = now;
  r->done = std::move(done);
  walk(filter, resume, max, *r);
  fetch(r);
}

void RedisRetained::walk(std::string_view filter, const std::string& resume, std::size_t max, Reading& r) {
  constexpr int kSteps = 20000;  // of one request
  constexpr std::uint64_t kPageBytes = 1u << 20;
  std::string_view prefix = literal_prefix(filter);
  if (prefix.ends_with('/')) prefix.remove_suffix(1);  // "a/#" matches "a" as well
  auto it = resume.empty() ? topics_.lower_bound(std::string(prefix)) : topics_.upper_bound(resume);
  std::string last = resume;
  std::uint64_t bytes = 0;
  for (int step = 0; it != topics_.end() && it->first.starts_with(prefix); ++step) {
    if (step == kSteps || r.slots.size() == max || bytes >= kPageBytes) {
      r.resume = last;
      return;
    }
    last = it->first;
    if (model::matches(filter, it->first)) {
      r.slots.push_back({it->first, it->second.stamp, changes_[RedisKeys::shard_of(it->first)], known(it->first)});
      bytes += it->second.cost;
      ++it;
      continue;
    }
    const std::string next = next_candidate(filter, it->first);
    if (next.empty()) return;
    it = next > it->first ? topics_.lower_bound(next) : std::next(it);
  }
}

void RedisRetained::fetch(const std::shared_ptr<Reading>& r) {
  auto end = [self = self_, r] {
    if (--r->waits > 0) return;
    if (r->failed) return r->done(make_error_code(errc::unavailable));
    Page page;
    page.resume = std::move(r->resume);
    for (auto& slot : r->slots) {
      if (!slot.message) continue;
      if (!slot.message->view().expired(r->now))
        page.messages.push_back(std::move(slot.message));
      else if (*self)
        (*self)->is_gone(slot.topic, slot.stamp, r->now);
    }
    r->done(std::move(page));
  };
  for (std::size_t i = 0; i < r->slots.size(); ++i) {
    if (r->slots[i].message) continue;
    ++r->waits;
    const std::string key = keys_.retained(r->slots[i].topic);
    writer_.client().call(
        {"HGET", key, "v"}, key, kAnswer,
        [self = self_, r, i, end](Outcome& o) {
          if (*self)
            (*self)->fetched(*r, i, o);
          else
            r->failed = true;
          end();
        },
        redis::kReads);
  }
  end();
}

// ---------------------------------------------------------------- now and then

void RedisRetained::on_timer() {
  writer_.loop().timers().set(*this, writer_.loop().now() + kTick);
  load_again();
  if (!loaded_) return;
  remove_gone();
  look_for_expired();
}

/// Entries of topics that have no message for long.
void RedisRetained::remove_gone() {
  const MonoTime old = writer_.loop().now() - kRemove;
  for (std::size_t n = 0; n < kLooksATick && !gone_.empty() && gone_.front().at <= old; ++n) {
    Gone g = std::move(gone_.front());
    gone_.pop_front();
    if (topics_.contains(g.topic)) continue;
    const std::string key = keys_.retained(g.topic);
    writer_.client().call(
        {"HGET", key, "v"}, key, kAnswer,
        [self = self_, g](Outcome& o) {
          RedisRetained* r = *self;
          if (r && o.done() && o.value().is_nil() && !r->topics_.contains(g.topic))
            r->topics_row(g.topic).remove(g.topic, std::to_string(ms_of(g.stamp)));
        },
        redis::kReads);
  }
}

/// Some topics more: those whose time has passed are in Redis no more.
void RedisRetained::look_for_expired() {
  const WallTime old = writer_.loop().wall() - Seconds(60);
  auto it = topics_.upper_bound(looked_);
  std::vector<std::string> expired;
  for (std::size_t n = 0; n < kLooksATick && it != topics_.end(); ++n, ++it) {
    if (it->second.expires < old && !rows_.contains(it->first)) expired.push_back(it->first);
    looked_ = it->first;
  }
  if (it == topics_.end()) looked_.clear();
  for (auto& topic : expired) {
    const std::string key = keys_.retained(topic);
    writer_.client().call(
        {"HGET", key, "v"}, key, kAnswer,
        [self = self_, topic, stamp = topics_[topic].stamp](Outcome& o) {
          if (*self && o.done() && o.value().is_nil()) (*self)->is_gone(topic, stamp, (*self)->writer_.loop().wall());
        },
        redis::kReads);
  }
}

}  // namespace sb::store
