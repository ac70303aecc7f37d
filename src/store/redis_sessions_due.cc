// SPDX-License-Identifier: MIT
// What is due of sessions that nobody is connected to: their wills, and their end.
#include <algorithm>

#include "store/redis_sessions.h"

namespace sb::store {
namespace {

constexpr std::size_t kOfAShard = 100;  ///< entries that one call looks at

}  // namespace

/// One call of take_due(), until all of its records were looked at.
struct RedisSessions::Taking {
  std::size_t waits = 1;
  WallTime now;
  std::vector<std::pair<WallTime, Due>> found;
  Done<std::vector<Due>> done;
  void end() {
    if (--waits > 0) return;
    std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.first < b.first; });
    std::vector<Due> all;
    for (auto& [since, d] : found) all.push_back(std::move(d));
    done(std::move(all));
  }
};

void RedisSessions::take_due(WallTime now, Done<std::vector<Due>> done) {
  auto taking = std::make_shared<Taking>();
  taking->now = now;
  taking->done = std::move(done);
  for (auto& d : std::exchange(unfired_, {})) taking->found.emplace_back(WallTime{}, std::move(d));
  count(0);
  if (life_.epoch() == 0) return taking->end();
  schedule_.due(now, kOfAShard, [this, taking](std::vector<RedisSchedule::Entry> entries) {
    for (auto& e : entries) {
      ++taking->waits;
      if (skip(e, taking)) continue;
      auto job = std::make_unique<TakeJob>();
      job->now = taking->now;
      job->nonce = next_nonce_++;
      job->done = [this, e, taking](TakeAnswer&& a) { taken(e, taking, std::move(a)); };
      give(e.client_id, std::move(job));
    }
    taking->end();
  });
}

/// A session that is connected here needs no look into Redis.
bool RedisSessions::skip(const RedisSchedule::Entry& e, const std::shared_ptr<Taking>& taking) {
  auto it = sessions_.find(e.client_id);
  if (it == sessions_.end() || !it->second->owned || !it->second->owned->image.connected()) return false;
  const bool firing =
      std::any_of(firing_.begin(), firing_.end(), [&](auto& f) { return f.second.client_id == e.client_id; });
  const Millis later = firing ? Millis(Seconds(30)) : look_again(it->second->owned->image.expiry());
  schedule_.looked(e, taking->now + later, [taking] { taking->end(); });
  return true;
}

void RedisSessions::taken(const RedisSchedule::Entry& e, const std::shared_ptr<Taking>& taking, TakeAnswer&& a) {
  for (auto& w : a.wills)
    taking->found.emplace_back(a.since, Due{e.client_id, register_will(e.client_id, std::move(w)), false});
  if (a.ended) {
    leave_logs(e.client_id, a.incarnation, a.filters);
    if (!e.client_id.starts_with('\0')) count(-1);
    if (a.wills.empty()) taking->found.emplace_back(a.since, Due{e.client_id, {}, false});
    taking->found.back().second.ended = true;
  }
  schedule_.looked(e, a.gone ? std::nullopt : a.again, [taking] { taking->end(); });
}

}  // namespace sb::store
