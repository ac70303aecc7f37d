// SPDX-License-Identifier: MIT
#include "broker/route.h"

#include <algorithm>

namespace sb::broker {

RoutePtr RouteCache::get(std::string_view topic) {
  if (auto it = routes_.find(topic); it != routes_.end()) {
    if (!fresh(*it->second)) {
      RoutePtr r = it->second;
      refresh(r);
      return r;
    }
    return it->second;
  }
  RoutePtr r = build(topic);
  keep(r);
  return r;
}

/// Full: what happens to stand first makes room. Topics in use come back with their next message. Beyond
/// kLiveBytes only the latest of the large ones stands here: the rest of kBytes would come on top.
void RouteCache::keep(const RoutePtr& r) {
  if (capacity_ == 0 || r->bytes() > kBytes) return;
  if (r->passing)
    for (auto it = routes_.begin(); it != routes_.end();)
      if (auto at = it++; at->second->passing) forget(at);
  while (!routes_.empty() && (routes_.size() >= capacity_ || bytes_ + r->bytes() > kBytes)) forget(routes_.begin());
  routes_.emplace(r->topic, r);
  bytes_ += r->bytes();
}

void RouteCache::refresh(RoutePtr& r) {
  std::uint64_t now = index_.version();
  if (!index_.changed(shard_, r->topic, r->version, now)) {
    r->version = now;
    return;
  }
  auto it = routes_.find(r->topic);
  if (it != routes_.end() && it->second != r && fresh(*it->second)) {
    r = it->second;  // another channel has rebuilt it already
    return;
  }
  RoutePtr built = build(r->topic);
  if (it != routes_.end()) {
    forget(it);
    keep(built);
  }
  r = std::move(built);
}

RoutePtr RouteCache::build(std::string_view topic) {
  RoutePtr r(new Route(live_));
  r->topic = topic;
  r->topic_hash = hash_bytes(topic);
  r->version = index_.version();  // before the look-up: a change during it makes the route stale at once
  matches_.clear();
  index_.match(shard_, topic, matches_);
  r->logs = matches_.logs;
  r->groups = matches_.groups;
  merge(*r);
  r->count();
  r->passing = r->bytes() > kLarge && live_ > kLiveBytes;
  return r;
}

/// Brings the subscribers into the order of shards and makes one receiver of all subscriptions of a client.
void RouteCache::merge(Route& r) {
  auto& subs = matches_.subscribers;
  std::stable_sort(subs.begin(), subs.end(),
                   [](const Subscriber& a, const Subscriber& b) { return a.client.packed() < b.client.packed(); });
  r.first.assign(shards_ + 1, 0);
  r.receivers.reserve(matches_.lists > 1 ? 0 : subs.size());
  for (std::size_t i = 0; i < subs.size();) {
    ClientKey client = subs[i].client;
    if (client.is_peer()) {
      bool logged = true;
      for (; i < subs.size() && subs[i].client == client; ++i) logged &= subs[i].logged;
      const auto number = static_cast<ports::PeerNumber>(client.slot);
      r.peers.insert(logged ? r.peers.end() : r.peers.begin(), number);
      r.live_peers += !logged;
      continue;
    }
    Receiver to;
    to.slot = client.slot;
    to.generation = client.generation;
    to.ids_at = static_cast<std::uint32_t>(r.ids.size());
    bool all_no_local = true, any_no_local = false, all_restricted = true;
    for (; i < subs.size() && subs[i].client == client; ++i) {
      const Subscriber& s = subs[i];
      to.qos = std::max(to.qos, s.qos);
      to.retain_as_published |= s.retain_as_published;
      to.logged |= s.logged;
      all_no_local &= s.no_local;
      any_no_local |= s.no_local;
      all_restricted &= s.restricted;
      if (s.subscription_id) r.ids.push_back(s.subscription_id);
    }
    to.no_local = all_no_local;
    to.restricted = all_restricted;
    to.mixed_local = any_no_local && !all_no_local;
    to.id_count = static_cast<std::uint16_t>(std::min<std::size_t>(r.ids.size() - to.ids_at, 65535));
    r.receivers.push_back(to);
    ++r.first[client.shard + 1u];
    if (client.shard != shard_) r.remote_shards |= 1ull << client.shard;
  }
  for (std::size_t s = 0; s < shards_; ++s) r.first[s + 1] += r.first[s];
}

}  // namespace sb::broker
