// SPDX-License-Identifier: MIT
// What is due of sessions that nobody is connected to: their wills, and their end.
#include <algorithm>

#include "ports/errc.h"
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
      look(e.client_id, taking, [this, e, taking](TakeAnswer& a) {
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

void RedisSessions::keep_will(std::string_view client_id, std::string_view username, const model::WillRecord& will,
                              std::function<void()> confirmed) {
  wills_.keep(client_id, encode_will(username, will), std::move(confirmed));
}

void RedisSessions::take_wills(std::string_view node, std::uint64_t epoch, WallTime now, Done<std::vector<Due>> done) {
  auto taking = std::make_shared<Taking>();
  taking->now = now;
  taking->done = std::move(done);
  auto found = [this, node = std::string(node), taking](std::optional<std::vector<RedisWills::Taken>> page) {
    if (!page) return taking->done(make_error_code(ports::errc::unavailable));
    for (auto& t : *page) {
      if (t.will) {
        const std::uint64_t id = next_will_++;
        firing_[id] = {t.client_id, {}, node};
        Will w{id, std::move(t.will->username), std::move(t.will->record)};
        taking->found.emplace_back(taking->now, Due{t.client_id, std::move(w), false});
        continue;
      }
      ++taking->waits;
      look(t.client_id, taking, [this, node, id = t.client_id, taking](TakeAnswer& a) {
        // From here on the record and the schedule know of it.
        wills_.done(node, id);
        if (a.again) schedule_.lower(id, *a.again, nullptr);
        taking->end();
      });
    }
    taking->end();
  };
  wills_.take(std::string(node), epoch, std::move(found));
}

}  // namespace sb::store
