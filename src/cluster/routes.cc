// SPDX-License-Identifier: MIT
#include "cluster/routes.h"

#include <algorithm>

namespace sb::cluster {

using ports::Interest;

ports::Interest interest_of(std::uint8_t wants) {
  if (wants & kWantsGroup) return wants & kWantsOwner ? Interest::owner : Interest::group;
  if (wants & kWantsLive) return Interest::live;
  return wants & kWantsLogged ? Interest::logged : Interest::none;
}

std::optional<std::uint8_t> OwnRoutes::change(const ports::Peers::Change& c) {
  if (c.before == c.after) return std::nullopt;
  auto [it, is_new] = counts_.try_emplace(c.filter, Counts{});
  Counts& n = it->second;
  const std::uint8_t before = wants(n);
  auto count = [&n](Interest i) -> std::uint32_t* {
    return i == Interest::none ? nullptr : &n[static_cast<std::size_t>(i) - 1];
  };
  if (auto* b = count(c.before); b && *b > 0) --*b;
  if (auto* a = count(c.after)) ++*a;
  const std::uint8_t now = wants(n);
  if (now == 0) counts_.erase(it);
  if (now == before) return std::nullopt;
  return now;
}

void PeerRoutes::begin(ports::PeerNumber peer) {
  for (auto& [filter, all] : wants_)
    for (auto& w : all)
      if (w.peer == peer) w.named = false;
}

std::optional<Interest> PeerRoutes::set(ports::PeerNumber peer, std::string_view filter, std::uint8_t wants) {
  auto it = wants_.find(filter);
  if (it == wants_.end()) {
    if (wants == 0) return std::nullopt;
    it = wants_.try_emplace(std::string(filter)).first;
  }
  auto& all = it->second;
  const auto w = std::find_if(all.begin(), all.end(), [&](const Want& x) { return x.peer == peer; });
  const Interest before = w == all.end() ? Interest::none : interest_of(w->wants), now = interest_of(wants);
  if (wants == 0) {
    if (w != all.end()) all.erase(w);
    if (all.empty()) wants_.erase(it);
  } else if (w == all.end()) {
    all.push_back({peer, wants});
  } else {
    *w = {peer, wants};
  }
  if (before == now) return std::nullopt;
  return now;
}

template <class Which>
std::vector<std::string> PeerRoutes::remove(ports::PeerNumber peer, Which which) {
  std::vector<std::string> gone;
  for (auto it = wants_.begin(); it != wants_.end();) {
    auto& all = it->second;
    const std::size_t before = all.size();
    std::erase_if(all, [&](const Want& w) { return w.peer == peer && which(w); });
    if (all.size() != before) gone.push_back(it->first);
    if (all.empty())
      wants_.erase(it++);
    else
      ++it;
  }
  return gone;
}

std::vector<std::string> PeerRoutes::end(ports::PeerNumber peer) {
  return remove(peer, [](const Want& w) { return !w.named; });
}

std::vector<std::string> PeerRoutes::drop(ports::PeerNumber peer) {
  return remove(peer, [](const Want&) { return true; });
}

}  // namespace sb::cluster
