// SPDX-License-Identifier: MIT
// What a node knows of the retained messages in Redis: the topics, read at the start, and a cache of messages.
#include <set>

#include "base/log.h"
#include "store/embedded_encoding.h"
#include "store/redis_retained.h"

namespace sb::store {

using redis::Outcome;

namespace {

constexpr const char* kScanned = "1000";
constexpr Millis kScan{3'600'000};

}  // namespace

// ---------------------------------------------------------------- topics

/// One reading of all topics.
struct RedisRetained::Loading {
  Topics topics;
  std::size_t waits = RedisKeys::kShards;
  std::set<std::string, std::less<>> said;  ///< by other nodes meanwhile
  std::vector<std::size_t> again;           ///< shards that could not be read
};

void RedisRetained::peer_set(std::string_view topic, const std::optional<RetainedEntry>& entry) {
  ++changes_[RedisKeys::shard_of(topic)];
  uncache(topic);
  if (auto it = rows_.find(topic); it != rows_.end()) it->second->set_outdated();
  if (loading_) loading_->said.emplace(topic);
  if (entry)
    put(topic, *entry);
  else
    erase(topic);
}

void RedisRetained::load_again() {
  if (!loading_) return;
  for (std::size_t shard : std::exchange(loading_->again, {})) load(loading_, shard, "0");
}

void RedisRetained::begin_load() {
  loading_ = std::make_shared<Loading>();
  for (std::size_t i = 0; i < RedisKeys::kShards; ++i) load(loading_, i, "0");
}

void RedisRetained::read_topics() {
  cached_.clear();
  cache_.clear();
  cached_bytes_ = 0;
  for (auto& n : changes_) ++n;
  begin_load();
}

void RedisRetained::load(const std::shared_ptr<Loading>& l, std::size_t shard, std::string cursor) {
  const std::string key = keys_.retained_topics(shard);
  writer_.client().call(
      {"HSCAN", key, std::move(cursor), "COUNT", kScanned}, key, kScan,
      [self = self_, l, shard](Outcome& o) {
        RedisRetained* r = *self;
        if (!r || r->loading_ != l) return;
        if (!o.done()) return l->again.push_back(shard);
        const auto found = o.value()[1];
        for (auto it = found.begin(); it != found.end(); ++it) {
          std::string topic((*it).text());
          if (++it == found.end()) break;
          if (auto e = RetainedEntry::of((*it).text())) l->topics[std::move(topic)] = *e;
        }
        const std::string next(o.value()[0].text());
        if (next != "0") return r->load(l, shard, next);
        if (--l->waits == 0) r->end_load(*l);
      },
      redis::kReads);
}

/// What was set lately, here or elsewhere, this node knows better.
void RedisRetained::end_load(Loading& l) {
  const auto knows = [&](const std::string& topic) {
    auto it = topics_.find(topic);
    if (it != topics_.end())
      l.topics[topic] = it->second;
    else
      l.topics.erase(topic);
  };
  for (auto& [topic, row] : rows_) knows(topic);
  for (auto& topic : l.said) knows(topic);
  topics_ = std::move(l.topics);
  bytes_ = 0;
  for (auto& [topic, e] : topics_) bytes_ += e.cost;
  count_.store(topics_.size(), std::memory_order_relaxed);
  loading_.reset();
  loaded_ = true;
  for (auto& f : std::exchange(for_load_, {})) f();
}

// ---------------------------------------------------------------- messages

/// The message of a topic, if it is in memory.
model::MessagePtr RedisRetained::known(const std::string& topic) {
  if (auto it = rows_.find(topic); it != rows_.end())
    if (auto m = it->second->latest(); m && !m->view().payload.empty()) return m;
  auto it = cache_.find(topic);
  if (it == cache_.end()) return nullptr;
  cached_.splice(cached_.begin(), cached_, it->second);
  return it->second->message;
}

void RedisRetained::fetched(Reading& r, std::size_t i, Outcome& o) {
  auto& slot = r.slots[i];
  if (!o.done()) {
    r.failed = true;
    return;
  }
  if (o.value().is_nil()) {
    if (auto m = known(slot.topic))
      slot.message = m;  // it was set meanwhile
    else
      is_gone(slot.topic, slot.stamp, r.now);
    return;
  }
  const auto m = embedded::decode_message(o.value().text());
  if (!m || m->topic != slot.topic) {
    log::error("retained message corrupt topic={}", log::name(slot.topic));
    return;
  }
  slot.message = model::Message::copy(*m);
  if (slot.changes == changes_[RedisKeys::shard_of(slot.topic)]) keep(slot.topic, slot.message);
}

void RedisRetained::keep(const std::string& topic, const model::MessagePtr& m) {
  uncache(topic);
  if (m->footprint() > options_.cache_bytes / 8) return;
  cached_.push_front({topic, m});
  cache_[topic] = cached_.begin();
  cached_bytes_ += m->footprint() + topic.size();
  while (cached_bytes_ > options_.cache_bytes) uncache(std::string(cached_.back().topic));
}

void RedisRetained::uncache(std::string_view topic) {
  auto it = cache_.find(topic);
  if (it == cache_.end()) return;
  cached_bytes_ -= it->second->message->footprint() + it->second->topic.size();
  cached_.erase(it->second);
  cache_.erase(it);
}

}  // namespace sb::store
