// SPDX-License-Identifier: MIT
// How what was asked of a log goes to Redis, and what Redis says. PROTOCOLS 1 and 3.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "store/redis_log_batches.h"
#include "store/redis_log_entry.h"
#include "store/redis_log_scripts.h"
#include "store/redis_logs.h"

namespace sb::store {

using redis::Outcome;
using redis::Words;

namespace {
constexpr std::size_t kMadeAgain = 500;  // members that are named with the question
}

std::unique_ptr<redis::Batch> RedisLog::next() {
  if (waiting_.empty()) return nullptr;
  LogBatch& b = *waiting_.front();
  if (b.kind == LogBatch::Kind::members) {
    auto& ops = static_cast<Members&>(b).ops;
    if (incarnation == 0 &&
        std::any_of(ops.begin(), ops.end(), [](auto& op) { return op.kind == 'j' || op.kind == 'a'; }))
      return {};
    b.bytes = sizeof(Members);
    for (auto& op : ops) b.bytes += sizeof op + op.member.size();
  } else {
    auto& m = static_cast<Messages&>(b);
    logs_.take_waiting(m.entry.size());
    m.entry.shrink_to_fit();
    b.bytes = sizeof(Messages) + m.entry.size() * 2;  // until they are confirmed, once more as messages
  }
  made_.push_back(&b);
  auto next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

void RedisLog::encode(const redis::Batch& b, Sending how, Words& out) {
  const bool any = how.gap || b.number == first_number_;
  if (static_cast<const LogBatch&>(b).kind == LogBatch::Kind::members)
    encode(static_cast<const Members&>(b), any, how.again, out);
  else
    encode(static_cast<const Messages&>(b), any, out);
}

void RedisLog::encode(const Members& b, bool any, bool again, Words& out) {
  out.add("EVALSHA").add(log_scripts::members->sha).add("3").add(key()).add(state_key).add(members_key);
  out.add(logs_.writer_name()).number(b.number).add(any ? "any" : "").number(incarnation).number(head_.generation);
  out.add(announced ? "1" : "");
  for (auto& op : b.ops)
    out.add(op.kind == 'j' && again ? "a" : std::string_view(&op.kind, 1))
        .add(op.member)
        .number(op.low.generation)
        .number(op.low.offset);
}

void RedisLog::encode(const Messages& b, bool any, Words& out) {
  const RedisLogs::Bounds& bounds = logs_.bounds();
  out.add("EVALSHA").add(log_scripts::append->sha).add("3").add(key()).add(state_key).add(members_key);
  out.add(logs_.writer_name()).number(b.number).add(any ? "any" : "").number(head_.generation);
  std::string known;
  for (auto& p : b.places) known += fmt::format("{}/{} ", to_id(p.first), p.count);
  out.keep(std::move(known)).number(logs_.bytes_for(*this)).add(bounds.messages);
  out.add(bounds.grain_bytes).add(bounds.grain_messages).add(bounds.age).add(bounds.grain_age);
  std::size_t from = 0;
  for (auto& s : b.segments) {
    out.number(s.messages).number(s.footprint);
    if (s.origin.writer)
      out.add(*s.origin.writer).number(s.origin.number);
    else
      out.add("").add("0");
    out.add(std::string_view(b.entry).substr(from, s.end - from));
    from = s.end;
  }
}

RedisLog::Taken RedisLog::answered(redis::Batch& b, Outcome& o) {
  if (!o.done()) return Taken::repair;
  const auto v = o.value();
  if (v[0].text() == "gap") return Taken::repair;
  auto& mine = static_cast<LogBatch&>(b);
  return mine.kind == LogBatch::Kind::members ? answered(static_cast<Members&>(b), v)
                                              : answered(static_cast<Messages&>(b), v);
}

RedisLog::Taken RedisLog::answered(Members& b, const redis::Reply::View& v) {
  std::vector<std::int64_t> n;
  for (auto field : v) n.push_back(field.integer().value_or(0));
  if (n.size() < 7 + b.ops.size()) return Taken::repair;
  b.at = {static_cast<std::uint64_t>(n[4]), static_cast<std::uint64_t>(n[5])};
  b.ended = n[6];
  b.results.assign(n.begin() + 7, n.end());
  logs_.seen_incarnation(static_cast<std::uint64_t>(n[1]));
  seen(b.at);
  if (b.ended == 2 && n[1] == 0) {  // nobody has ended it
    if (tail.watched()) {
      make_again_ = true;
      return Taken::repair;
    }
    b.ended = 0;  // whoever needs it makes it again
  }
  logs_.counted(*this, b.ended == 1 || b.ended == 2 ? 0 : static_cast<std::uint64_t>(n[2]),
                static_cast<std::uint64_t>(n[3]));
  join_again(static_cast<std::uint64_t>(n[1]));
  if (b.ended == 3 && announced) logs_.made_again(*this);  // Redis had lost it
  return Taken::yes;
}

RedisLog::Taken RedisLog::answered(Messages& b, const redis::Reply::View& v) {
  std::vector<std::uint64_t> n;
  for (auto field : v) n.push_back(static_cast<std::uint64_t>(field.integer().value_or(0)));
  if (v[0].text() == "none") {
    if (n.size() > 1 && n[1] != 0) {
      logs_.seen_incarnation(n[1]);
      if (!wanted()) return Taken::over;
    }
    // Nobody has ended it, or nobody knew of its members here, so Redis has lost it. Its members may be other nodes',
    // and join when they hear of it.
    make_again_ = true;
    return Taken::repair;
  }
  if (n.size() < 9) return Taken::repair;
  b.placed = n[4] > 0;
  b.first = {n[4], n[5]};
  b.count = static_cast<std::uint32_t>(n[6]);
  b.previous = {n[7], n[8]};
  b.skipped.assign(n.begin() + 9, n.end());
  if (b.count > 0) {
    seen({n[4], n[5] + n[6] - 1});
    if (b.places.empty() || b.places.back().first != b.first) {
      b.places.push_back({b.first, b.count});
      if (b.noticed) notice(b);  // Redis had forgotten it
    }
  }
  logs_.counted(*this, n[2], n[3]);
  join_again(n[1]);
  return Taken::yes;
}

/// What was appended, as it is told.
AppendedRun RedisLog::run_of(const Messages& b) const {
  AppendedRun run{b.previous, b.first, {}, {}};
  std::vector<model::MessagePtr> all = b.messages;
  if (all.empty())
    if (const auto views = messages_of_entry(b.entry))
      for (auto& m : *views) all.push_back(model::Message::copy(m));
  for (std::uint32_t i = 0; i < all.size(); ++i)
    if (!std::binary_search(b.skipped.begin(), b.skipped.end(), i)) run.messages.push_back(std::move(all[i]));
  for (auto& p : b.places)
    if (p.first != b.first && p.count == b.count && b.skipped.empty()) run.known.push_back(p.first);
  return run;
}

void RedisLog::notice(const Messages& b) {
  if (!b.placed) return logs_.note_hole(*this);
  if (b.count == 0 || (!tail.watched() && !logs_.peers())) return;
  const AppendedRun run = run_of(b);
  if (run.messages.size() == b.count) {
    tail.add(run);
    if (logs_.peers()) logs_.peers()->appended(filter, run);
  }
  if (tail.hole() || run.messages.size() != b.count) logs_.note_hole(*this);
}

void RedisLog::confirmed(redis::Batch& batch) {
  made_.pop_front();
  auto& b = static_cast<LogBatch&>(batch);
  if (b.kind == LogBatch::Kind::members)
    confirmed(static_cast<Members&>(b));
  else
    confirmed(static_cast<Messages&>(b));
}

void RedisLog::confirmed(Messages& b) {
  notice(b);
  b.noticed = true;
  b.messages = {};
  b.bytes = sizeof(Messages) + b.entry.size();
  settle(b);
  b.slots = {};
  settled();
  logs_.appended(*this);
}

void RedisLog::confirmed(Members& b) {
  std::vector<std::pair<std::string, Answers::Ptr<Joined>>> again;
  for (std::size_t i = 0; i < b.ops.size(); ++i) {
    auto& op = b.ops[i];
    if (auto slot = std::move(op.join)) {
      if (b.results[i] > 0)
        joined.emplace_back(std::move(slot), b.at);
      else if (b.results[i] < 0)
        again.emplace_back(op.member, std::move(slot));
      else
        logs_.answers().answer<Joined>(slot, make_error_code(ports::errc::no_log));
    }
  }
  // A leave is answered behind what was told of the end.
  std::vector<Answers::Ptr<void>> left;
  for (auto& op : b.ops)
    if (op.leave) left.push_back(std::move(op.leave));
  const bool ended = b.ended == 1 || b.ended == 2 || !again.empty();
  settled();
  if (ended)
    logs_.ended(*this);
  else if (!joined.empty())
    logs_.joined(*this);
  for (auto& slot : left) logs_.answers().answer(slot, result<void>());
  for (auto& [member, slot] : again) logs_.join(filter, std::move(member), std::move(slot));
}

void RedisLog::encode_last(Words& out) {
  if (!make_again_) {
    out.add("HGET").add(state_key).keep("w:" + logs_.writer_name());
    return;
  }
  out.add("EVALSHA").add(log_scripts::make_again->sha).add("3").add(key()).add(state_key).add(members_key);
  out.add(logs_.writer_name()).number(logs_.new_incarnation()).number(head_.generation).add(wanted() ? "1" : "");
  std::size_t n = 0;
  for (auto& [member, low] : members_) {
    if (++n > kMadeAgain) break;
    out.add(member);
  }
}

std::optional<std::uint64_t> RedisLog::last(Outcome& o) {
  if (!o.done()) return {};
  if (!std::exchange(make_again_, false)) {
    // "number ...", or nothing: none.
    std::uint64_t n = 0;
    for (char c : o.value().text()) {
      if (c < '0' || c > '9') break;
      n = n * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return std::max(n, first_number_ - 1);
  }
  const auto now_is = static_cast<std::uint64_t>(o.value()[0].integer().value_or(0));
  if (now_is == 0) {  // somebody has ended it
    logs_.retire(*this);
    return {};
  }
  logs_.seen_incarnation(now_is);
  incarnation = std::max(incarnation, now_is);
  log::warn("store has lost a log, which is made again log={}", log::name(filter));
  if (members_.size() > kMadeAgain) join_members();
  if (members_.empty()) made_empty = logs_.now();
  logs_.made_again(*this);
  return std::max(static_cast<std::uint64_t>(o.value()[1].integer().value_or(0)), first_number_ - 1);
}

void RedisLog::lost(std::uint64_t has, std::uint64_t kept) {
  log::error("store has lost batches of a log for good log={} batches={}", log::name(filter), kept - has - 1);
}

void RedisLog::over(std::vector<std::unique_ptr<redis::Batch>> rest) {
  logs_.retire(*this);
  rest.clear();
}

}  // namespace sb::store
