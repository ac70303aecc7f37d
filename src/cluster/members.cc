// SPDX-License-Identifier: MIT
#include "cluster/members.h"

#include <utility>

namespace sb::cluster {

using Kind = Members::Event::Kind;

void Members::lose(const std::string& node, Member& m, std::vector<Event>& out) {
  if (m.found && !m.lost) out.push_back({Kind::lost, node, m.epoch, {}});
  m.lost = true;
}

std::vector<Members::Event> Members::listed(const std::map<std::string, Listed>& nodes) {
  std::vector<Event> out;
  for (auto& [node, l] : nodes) {
    if (node == me_) continue;
    Member& m = members_[node];
    m.listed = true;
    if (l.epoch <= m.epoch) continue;
    lose(node, m, out);
    m = Member();
    m.epoch = l.epoch;
    m.detail = l.detail;
    m.listed = true;
  }
  for (auto it = members_.begin(); it != members_.end();) {
    it->second.listed = nodes.contains(it->first);
    // One that Redis forgot puts itself there again; one that has gone is fenced.
    it = !it->second.listed && (it->second.lost || !it->second.found) ? members_.erase(it) : std::next(it);
  }
  return out;
}

std::vector<Members::Event> Members::read(std::string_view node, const Reading* r, MonoTime now) {
  std::vector<Event> out;
  const auto it = members_.find(node);
  if (it == members_.end()) return out;
  Member& m = it->second;
  if (!r || r->connection != m.connection || m.reads_since == kNever) m.reads_since = r ? now : kNever;
  if (!r) return out;
  m.connection = r->connection;
  m.lease = r->lease;
  if (r->fenced >= m.epoch) {
    lose(it->first, m, out);
    if (m.fenced_since == kNever) m.fenced_since = now;
    // Whoever fenced it cleans up; this is for the case that he cannot.
    if (m.listed && now - m.fenced_since >= lease_ + turn()) out.push_back({Kind::clean, it->first, m.epoch, {}});
    return out;
  }
  if (m.lost && r->lease) out.push_back({Kind::undead, it->first, m.epoch, {}});
  if (!m.found && !m.lost) {
    m.found = true;
    out.push_back({Kind::found, it->first, m.epoch, m.detail});
  }
  if (!r->lease && now - m.reads_since >= lease_ + turn()) out.push_back({Kind::suspect, it->first, m.epoch, {}});
  return out;
}

void Members::doubt() {
  for (auto& [node, m] : members_) m.reads_since = kNever;
}

std::vector<Members::Event> Members::left(std::string_view node, std::uint64_t epoch) {
  std::vector<Event> out;
  if (const auto it = members_.find(node); it != members_.end() && it->second.epoch == epoch)
    lose(it->first, it->second, out);
  return out;
}

std::vector<std::string> Members::watched() const {
  std::vector<std::string> out;
  for (auto& [node, m] : members_) out.push_back(node);
  return out;
}

std::uint64_t Members::epoch(std::string_view node) const {
  const auto it = members_.find(node);
  return it != members_.end() && it->second.found && !it->second.lost ? it->second.epoch : 0;
}

Members::Fate Members::fate(std::string_view node, std::uint64_t epoch) const {
  const auto it = members_.find(node);
  if (it == members_.end() || it->second.epoch < epoch) return Fate::unknown;
  return it->second.epoch > epoch || it->second.lost ? Fate::over : Fate::lives;
}

/// The survivors take turns, by their names, so that they do not all do the same at once.
Millis Members::turn() const {
  int before = 0;
  for (auto& [node, m] : members_) before += m.found && !m.lost && m.lease && node < me_;
  return before * lease_ / 5;
}

}  // namespace sb::cluster
