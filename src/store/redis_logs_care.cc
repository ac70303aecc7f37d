// SPDX-License-Identifier: MIT
// What the logs do by themselves: loading, what other nodes tell, holes, heads, trimming.
#include <utility>

#include "base/log.h"
#include "store/redis_log_scripts.h"
#include "store/redis_logs.h"

namespace sb::store {

using model::Position;
using ports::LogPage;
using redis::Outcome;

namespace {

constexpr std::uint64_t kRoundEvery = 50, kCompareEvery = 600;  // ticks
constexpr std::size_t kSeenToPerTick = 1000;
constexpr Seconds kLookUpEvery{1};
constexpr std::size_t kSuspects = 10'000;
constexpr Seconds kMembersJoin{60};          // for which a log that was made again waits for members on other nodes
constexpr const char* kNowAndThen = "3600";  // seconds

}  // namespace

void RedisLogs::load(Millis within, std::function<void(std::string)> done) {
  struct Loading {
    std::size_t left = RedisKeys::kShards;
    std::string why;
    std::function<void(std::string)> done;
  };
  auto loading = std::make_shared<Loading>();
  loading->done = std::move(done);
  for (std::size_t i = 0; i < RedisKeys::kShards; ++i) {
    const std::string key = keys().logs(i);
    auto heard = [this, loading](Outcome& o) {
      if (!o.done()) {
        loading->why = o.text();
      } else {
        const auto list = o.value();
        for (auto at = list.begin(); at != list.end(); ++at) {
          const std::string filter((*at).text());
          if (++at == list.end()) break;
          peer_log_began(filter, static_cast<std::uint64_t>((*at).integer().value_or(1)));
        }
      }
      if (--loading->left == 0) loading->done(loading->why);
    };
    call_({"HGETALL", key}, key, within, heard, redis::kReads);
  }
}

// ---------------------------------------------------------------- other nodes

void RedisLogs::peer_log_began(std::string_view filter, std::uint64_t incarnation) {
  seen_incarnation(incarnation);
  RedisLog* log = find(filter);
  if (!log) {
    log = &make(filter, incarnation);
  } else if (log->incarnation == 0) {
    log->listed(incarnation);
  } else {
    log->join_again(incarnation);
  }
  announce(*log);
}

void RedisLogs::peer_log_ended(std::string_view filter, std::uint64_t incarnation) {
  seen_incarnation(incarnation);
  RedisLog* log = find(filter);
  if (log && log->incarnation != 0 && log->incarnation <= incarnation) ended(*log);
}

void RedisLogs::ended(RedisLog& log) {
  if (!log.wanted()) return retire(log);
  log.join_again(new_incarnation());  // Redis had forgotten those who are here
}

void RedisLogs::peer_appended(std::string_view filter, const AppendedRun& run) {
  RedisLog* log = find(filter);
  if (!log || run.messages.empty()) return;
  log->seen({run.first.generation, run.first.offset + run.messages.size() - 1});
  log->tail.add(run);
  if (log->tail.hole()) note_hole(*log);
  log->heard += run.messages.size();
  if (log->heard < kSoftMessages) return;
  log->heard = 0;
  log->write_lows();
}

void RedisLogs::compare_heads() {
  to_compare_.clear();
  for (auto& [id, log] : by_id_)
    if (log->tail.watched()) to_compare_.push_back(id);
}

void RedisLogs::compare_some() {
  for (std::size_t n = 0; n < kHeadsPerTick && comparing_ < kHeadsPerTick && !to_compare_.empty(); ++n) {
    const RedisLog* log = find(to_compare_.back());
    to_compare_.pop_back();
    if (log && log->tail.watched()) compare(log->id);
  }
}

void RedisLogs::compare_head(std::string_view filter) {
  const RedisLog* log = find(filter);
  if (!log || !log->tail.watched()) return;
  if (comparing_ < kHeadsPerTick)
    compare(log->id);
  else
    to_compare_.push_back(log->id);
}

void RedisLogs::compare(LogId id) {
  ++comparing_;
  reader_.head(find(id)->state_key, engine_.options().hold, [this, id](const result<LogHead>& head) {
    --comparing_;
    RedisLog* read = find(id);
    if (!read || !read->tail.watched()) return;
    // Without a head, or before the one from which on the tail runs, nothing can be said yet.
    if (!head || !read->tail.runs()) return to_compare_.push_front(id);
    if (head->incarnation != 0) counted(*read, head->bytes, head->messages);
    if (head->incarnation == 0) return read->join_members();  // which tells whether it has ended, or is lost
    read->join_again(head->incarnation);
    read->seen(head->last);
    if (head->last > read->tail.at()) note_hole(*read);
  });
}

void RedisLogs::list_some() {
  for (std::size_t n = 0; n < kHeadsPerTick && !to_list_.empty(); ++n) {
    const RedisLog* log = find(to_list_.back());
    to_list_.pop_back();
    if (log && log->announced && log->incarnation != 0)
      list_of(log->filter).begin(log->filter, log->incarnation, [](std::uint64_t) {});
  }
}

// ---------------------------------------------------------------- holes

void RedisLogs::note_hole(RedisLog& log) {
  if (!log.tail.runs() || std::exchange(log.hole_noted, true)) return;
  holes_.push_back(log.id);
  if (!armed()) engine_.loop().timers().set(*this, now() + kHole);
}

void RedisLogs::on_timer() {
  for (LogId id : std::exchange(holes_, {}))
    if (RedisLog* log = find(id)) {
      log->hole_noted = false;
      read_tail(*log);
    }
}

void RedisLogs::read_tail(RedisLog& log) {
  if (!log.tail.runs() || std::exchange(log.reading, true)) return;
  reader_.page(log.key(), log.state_key, log.tail.at(), kTailPage, log.read, engine_.options().hold,
               [this, id = log.id](const result<LogPage>& page) { tail_read(id, page); });
}

void RedisLogs::tail_read(LogId id, const result<LogPage>& page) {
  RedisLog* log = find(id);
  if (!log) return;
  log->reading = false;
  if (!page) return note_hole(*log);
  const Position before = log->tail.at();
  Position upto = before;
  if (!page->messages.empty())
    upto = page->messages.back().position;
  else if (page->lost > 0)
    upto = page->head;
  log->tail.add_page(page->messages, upto);
  log->seen(page->head);
  if (log->tail.at() > before && log->tail.at() < page->head) return read_tail(*log);
  if (log->tail.hole()) doubts_.push_back(id);  // a failover has forgotten what came: the next tick looks again
}

// ---------------------------------------------------------------- trimming

void RedisLogs::appended(RedisLog& log) {
  if (log.messages >= log.trim_messages || log.bytes >= log.trim_bytes) trim(log);
}

/// Looking at members is paid for by the messages since the last time.
void RedisLogs::trim(RedisLog& log) {
  if (std::exchange(log.trimming, true)) return;
  log.write_lows();
  log.behind([this, id = log.id] {
    RedisLog* l = find(id);
    if (!l) return;
    const auto seconds = [](Seconds s) { return std::to_string(s.count()); };
    std::vector<std::string> words = {"EVALSHA",
                                      log_scripts::trim->sha,
                                      "3",
                                      l->key(),
                                      l->state_key,
                                      l->members_key,
                                      std::to_string(bytes_for(*l)),
                                      bounds_.messages,
                                      bounds_.age,
                                      seconds(engine_.options().origin_age),
                                      kNowAndThen};
    call_(
        std::move(words), l->key(), engine_.options().hold,
        [this, id](Outcome& o) {
          RedisLog* trimmed = find(id);
          if (!trimmed) return;
          trimmed->trimming = false;
          if (o.done()) {
            const auto bytes = o.value()[0].integer().value_or(0), messages = o.value()[1].integer().value_or(0);
            counted(*trimmed, static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(messages));
            std::vector<std::string> lowest;
            for (std::size_t i = 2; i < o.value().size(); i += 2) lowest.emplace_back(o.value()[i].text());
            if (trimmed->messages >= kSoftMessages || trimmed->bytes >= kSoftBytes) look_up(*trimmed, lowest);
          }
          trimmed->trim_messages = std::max(kSoftMessages, trimmed->messages * 2);
          trimmed->trim_bytes = std::max(kSoftBytes, trimmed->bytes * 2);
        },
        redis::kControl);
  });
}

/// The lowest members of a log hold the rest of it: their records say how far they are, unless they joined here.
void RedisLogs::look_up(RedisLog& log, const std::vector<std::string>& lowest) {
  if (now() - log.looked_up < kLookUpEvery) return;
  log.looked_up = now();
  for (auto& member : lowest)
    if (!log.has_member(member))
      members_.look_up(log.filter, member, engine_.options().hold,
                       [this, id = log.id, member](const LogMembers::Found& found) { looked_up(id, member, found); });
}

void RedisLogs::looked_up(LogId id, const std::string& member, const LogMembers::Found& found) {
  RedisLog* log = find(id);
  if (!log || !found.known) return;
  std::string name = log->filter + '\0' + member;
  if (found.low) {
    suspects_.erase(name);
    return log->raise(member, *found.low);
  }
  if (suspects_.size() >= kSuspects) suspects_.clear();
  const auto [suspect, is_new] = suspects_.try_emplace(std::move(name), now());
  if (now() - suspect->second < std::max<Millis>(engine_.options().suspected, 2 * engine_.options().hold)) return;
  suspects_.erase(suspect);
  log::warn("store drops a member that has no session log={} member={}", log::name(log->filter), log::name(member));
  log->drop_member(member);
}

/// In turn, all of them: those with messages that are too old, and those that nobody reads here any more.
void RedisLogs::see_to_some() {
  if (to_see_to_.empty() && ticks_ % kRoundEvery == 0)
    for (auto& [id, log] : by_id_) to_see_to_.push_back(id);
  for (std::size_t n = 0; n < kSeenToPerTick && !to_see_to_.empty(); ++n) {
    RedisLog* log = find(to_see_to_.back());
    to_see_to_.pop_back();
    if (!log) continue;
    if (limits_.log_age > 0 && log->messages > 0) trim(*log);
    if (log->made_empty != kNever && now() - log->made_empty >= kMembersJoin) {
      log->made_empty = kNever;
      log->end_if_empty();
    }
    if (log->tail.watched()) log->used = now();
    if (!log->has_members()) continue;
    if (!log->tail.watched()) log->write_lows();
    // As long as what they have not read may be written again, they have to be members then.
    log->forget_members(now() - engine_.writer().options().keep);
  }
}

void RedisLogs::on_tick() {
  if (answers_.refuse_until(now() - engine_.options().hold)) engine_.refused();
  ++ticks_;
  see_to_some();
  if (ticks_ % kCompareEvery == 0 && to_compare_.empty()) compare_heads();
  compare_some();
  list_some();
  for (LogId id : std::exchange(doubts_, {}))
    if (RedisLog* log = find(id)) note_hole(*log);
}

void RedisLogs::made_again(RedisLog& log) {
  log.told = false;
  list_of(log.filter).begin(log.filter, log.incarnation, [](std::uint64_t) {});
  if (peers_) peers_->log_began(log.filter, log.incarnation, [] {});
}

void RedisLogs::on_turn_end() { gone_.clear(); }

}  // namespace sb::store
