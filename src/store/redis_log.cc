// SPDX-License-Identifier: MIT
// What is asked of a log, and how it ends. redis_log_target.cc: how that goes to Redis.
#include "store/redis_log.h"

#include <algorithm>

#include "store/embedded_encoding.h"
#include "store/redis_log_batches.h"
#include "store/redis_log_entry.h"
#include "store/redis_logs.h"

namespace sb::store {
namespace {

constexpr std::size_t kOps = 500, kSegments = 500;
constexpr std::size_t kLows = 2000;  // written at once, since messages wait behind them

}  // namespace

RedisLog::RedisLog(RedisLogs& logs, ports::LogId log, std::string name, std::uint64_t first_number)
    : Target(logs.writer(), logs.keys().log(name)),
      id(log),
      filter(std::move(name)),
      state_key(logs.keys().log_state(filter)),
      members_key(logs.keys().log_members(filter)),
      read(std::make_shared<LogRead>(LogRead{log})),
      tail(log, logs.memory()),
      logs_(logs),
      first_number_(first_number) {
  set_first_number(first_number);
}

RedisLog::~RedisLog() = default;

// ---------------------------------------------------------------- members

RedisLog::Members& RedisLog::open_members() {
  if (waiting_.empty() || waiting_.back()->kind != LogBatch::Kind::members ||
      static_cast<Members&>(*waiting_.back()).ops.size() >= kOps) {
    waiting_.push_back(std::make_unique<Members>());
    unanswered_.push_back(logs_.now());
    ++asked_;
  }
  ready();
  return static_cast<Members&>(*waiting_.back());
}

void RedisLog::join(std::string member, Answers::Ptr<Joined> slot) {
  const bool group = member == ports::kGroupMember;
  count(member);
  used = logs_.now();
  open_members().ops.push_back({group ? 'g' : 'j', std::move(member), {}, std::move(slot), nullptr});
}

void RedisLog::leave(std::string member, Answers::Ptr<void> slot) {
  members_.erase(member);
  // Its room is free for others, unless Redis says that members of other nodes keep it.
  if (members_.size() <= members_.contains(ports::kGroupMember)) logs_.counted(*this, 0, 0);
  open_members().ops.push_back({'l', std::move(member), {}, nullptr, std::move(slot)});
}

void RedisLog::release(std::string_view member, Position low) {
  auto it = members_.find(member);
  if (it == members_.end() || low <= it->second.position) return;
  it->second.position = low;
  it->second.changed = true;
}

void RedisLog::write_lows() {
  std::size_t n = 0;
  for (auto& [member, low] : members_)
    if (low.changed && n++ < kLows) {
      low.changed = false;
      open_members().ops.push_back({'r', member, low.position});
    }
}

void RedisLog::raise(std::string member, Position low) { open_members().ops.push_back({'r', std::move(member), low}); }

void RedisLog::drop_member(std::string member) { open_members().ops.push_back({'l', std::move(member)}); }

/// Who leaves last ends it, whether he was there or not.
void RedisLog::end_if_empty() { open_members().ops.push_back({'l', ""}); }

void RedisLog::count(const std::string& member) { ++members_.try_emplace(member).first->second.here; }

void RedisLog::away(std::string_view member) {
  auto it = members_.find(member);
  if (it == members_.end() || it->second.here == 0 || --it->second.here > 0) return;
  went_.emplace_back(logs_.now(), member);
}

void RedisLog::forget_members(MonoTime since) {
  for (; !went_.empty() && went_.front().first <= since; went_.pop_front()) {
    auto it = members_.find(went_.front().second);
    if (it != members_.end() && it->second.here == 0) members_.erase(it);
  }
  if (!tail.watched() && used <= since) members_.erase(ports::kGroupMember);
}

/// A group's log is held by its members, and may be read elsewhere.
bool RedisLog::wanted() const {
  if (!model::is_shared(filter)) return !members_.empty() && tail.watched();
  return std::ranges::any_of(members_, [](auto& m) { return m.second.here > 0 && m.first != ports::kGroupMember; });
}

/// The group last: it makes no log.
void RedisLog::join_members() {
  for (auto& [member, low] : members_)
    if (member != ports::kGroupMember) open_members().ops.push_back({'a', member});
  if (members_.contains(ports::kGroupMember)) open_members().ops.push_back({'g', std::string(ports::kGroupMember)});
}

void RedisLog::join_again(std::uint64_t with_incarnation) {
  if (with_incarnation <= incarnation) return;
  incarnation = with_incarnation;
  join_members();
}

void RedisLog::listed(std::uint64_t with_incarnation) {
  incarnation = std::max(incarnation, with_incarnation);
  ready();
}

// ---------------------------------------------------------------- messages

void RedisLog::append(ports::LogStore::Append& a, const Answers::Ptr<void>& slot) {
  const model::MessageView& m = a.message->view();
  Messages* b = waiting_.empty() || waiting_.back()->kind != LogBatch::Kind::messages
                    ? nullptr
                    : static_cast<Messages*>(waiting_.back().get());
  if (!b || b->entry.size() + m.bytes() > logs_.entry_bytes() || b->messages.size() >= logs_.entry_messages() ||
      b->segments.size() >= kSegments) {
    auto fresh = std::make_unique<Messages>();
    b = fresh.get();
    waiting_.push_back(std::move(fresh));
    unanswered_.push_back(logs_.now());
    ++asked_;
  }
  const std::size_t before = b->entry.size();
  add_to_entry(b->entry, m);
  if (b->segments.empty() || a.origin.writer || b->segments.back().origin.writer)
    b->segments.push_back({0, 0, 0, std::move(a.origin)});
  Messages::Segment& s = b->segments.back();
  s.end = b->entry.size();
  ++s.messages;
  s.footprint += embedded::footprint(m);
  logs_.add_waiting(b->entry.size() - before);
  b->messages.push_back(std::move(a.message));
  if (b->slots.empty() || b->slots.back() != slot) {
    b->slots.push_back(slot);
    ++slot->parts;
  }
  ready();
}

void RedisLog::behind(std::function<void()> f) {
  if (asked_ == done_)
    f();
  else
    behind_.emplace_back(asked_, std::move(f));
}

void RedisLog::settle(const Messages& b) {
  for (auto& slot : b.slots)
    if (--slot->parts == 0) logs_.answers().answer(slot, result<void>());
}

/// The oldest batch has been answered.
void RedisLog::settled() {
  ++done_;
  unanswered_.pop_front();
  while (!behind_.empty() && behind_.front().first <= done_) {
    auto f = std::move(behind_.front().second);
    behind_.pop_front();
    f();
  }
}

// ---------------------------------------------------------------- the end

/// What waits for a log that is no more: it takes messages without storing them, and who joins gets another one.
void RedisLog::drop(LogBatch& b) {
  if (b.kind == LogBatch::Kind::messages) {
    settle(static_cast<Messages&>(b));
  } else {
    for (auto& op : static_cast<Members&>(b).ops) {
      if (op.join) logs_.join(filter, std::move(op.member), std::move(op.join));
      if (op.leave) logs_.answers().answer(op.leave, result<void>());
    }
  }
  settled();
}

void RedisLog::end() {
  gone = true;
  for (auto& b : waiting_)
    if (b->kind == LogBatch::Kind::messages) logs_.take_waiting(static_cast<Messages&>(*b).entry.size());
  for (auto& [slot, head] : std::exchange(joined, {})) logs_.answers().answer(slot, result<Joined>(Joined{id, head}));
  for (LogBatch* b : std::exchange(made_, {})) drop(*b);
  for (auto& b : std::exchange(waiting_, {})) drop(*b);
  stop();
}

}  // namespace sb::store
