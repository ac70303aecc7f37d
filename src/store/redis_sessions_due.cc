// SPDX-License-Identifier: MIT
// What is due of sessions that nobody is connected to: their wills, and their end.
#include <algorithm>

#include "base/log.h"
#include "ports/errc.h"
#include "store/redis_sessions.h"

namespace sb::store {
namespace {

constexpr std::size_t kOfAShard = 100;  ///< entries that one call looks at
constexpr Millis kLater{30'000};        ///< until a session is looked at again that could not be

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
      look(e.client_id, taking, [this, e, taking](TakeAnswer& a) {
        if (a.failed) a.again = taking->now + kLater;
        schedule_.looked(e, a.gone ? std::nullopt : a.again, [taking] { taking->end(); });
      });
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

/// Takes what is due of one session; `then` says when that is done, by taking->end().
void RedisSessions::look(const std::string& client_id, const std::shared_ptr<Taking>& taking,
                         std::function<void(TakeAnswer&)> then) {
  auto job = std::make_unique<TakeJob>();
  job->now = taking->now;
  job->nonce = next_nonce_++;
  job->done = [this, client_id, taking, then = std::move(then)](TakeAnswer&& a) {
    if (a.over && watcher_ && !client_id.starts_with('\0')) watcher_->on_displaced(kAnyNode, client_id, a.over - 1);
    for (auto& w : a.wills)
      taking->found.emplace_back(a.since, Due{client_id, register_will(client_id, std::move(w)), false});
    if (a.ended) {
      leave_logs(client_id, a.incarnation, a.filters);
      if (!client_id.starts_with('\0')) count(-1);
      if (a.wills.empty()) taking->found.emplace_back(a.since, Due{client_id, {}, false});
      taking->found.back().second.ended = true;
    }
    then(a);
  };
  give(client_id, std::move(job));
}

void RedisSessions::check_wills() {
  wills_.check([this] {
    log::warn("redis has forgotten wills: they are stored again");
    for (auto& [id, s] : sessions_)
      if (s->owned && s->owned->image.connected()) wills_.keep_again(s->client_id);
    if (watcher_) watcher_->on_wills_forgotten();
  });
}

void RedisSessions::take_wills(std::string_view node, std::uint64_t epoch, WallTime now, Done<LeftWills> done) {
  auto left = std::make_shared<LeftWills>();
  auto taking = std::make_shared<Taking>();
  taking->now = now;
  taking->done = [left, done = std::move(done)](result<std::vector<Due>> of_records) {
    if (!of_records) return done(of_records.error());
    left->of_records = std::move(*of_records);
    done(std::move(*left));
  };
  auto found = [this, node = std::string(node), taking, left,
                life = lives_](std::optional<RedisWills::Found> page) mutable {
    if (!page || life != lives_) return taking->done(make_error_code(ports::errc::unavailable));
    left->more = page->more;
    for (auto& t : page->taken) {
      if (t.will) {
        const std::uint64_t id = next_will_++;
        firing_[id] = {t.client_id, {}, node, t.mark};
        left->of_clients.push_back({t.client_id, {id, std::move(t.will->username), std::move(t.will->record)}, false});
        continue;
      }
      ++taking->waits;
      look(t.client_id, taking, [this, node, t, taking](TakeAnswer& a) {
        if (!a.failed) {  // from here on the record and the schedule know of it
          wills_.done(node, t);
          if (a.again) schedule_.lower(t.client_id, *a.again, nullptr);
        }
        taking->end();
      });
    }
    taking->end();
  };
  wills_.take(std::string(node), epoch, std::move(found));
}

}  // namespace sb::store
