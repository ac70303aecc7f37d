// SPDX-License-Identifier: MIT
#include "store/memory_logs.h"

#include <algorithm>
#include <chrono>

#include "ports/errc.h"

namespace sb::store {

MemoryLogs::MemoryLogs(const model::Limits& limits, OnLog on_log)
    : limits_(limits),
      on_log_(std::move(on_log)),
      generation_(static_cast<std::uint64_t>(
          std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch()).count())) {}

void MemoryLogs::join(std::string_view filter, std::string_view member, Done<Joined> done) {
  auto it = by_filter_.find(filter);
  if (it == by_filter_.end()) {
    if (member == ports::kGroupMember) return done(make_error_code(ports::errc::no_log));
    auto log = std::make_unique<Log>();
    log->id = next_id_++;
    log->filter = filter;
    log->head = log->first_lost = {generation_, 0};
    logs_[log->id] = log.get();
    it = by_filter_.emplace(std::string(filter), std::move(log)).first;
    on_log_(filter, it->second->id);
  }
  Log& log = *it->second;
  log.members.try_emplace(std::string(member), member == ports::kGroupMember ? log.first_lost : log.head);
  done(Joined{log.id, log.head});
}

void MemoryLogs::leave(std::string_view filter, std::string_view member) {
  auto it = by_filter_.find(filter);
  if (it == by_filter_.end()) return;
  Log& log = *it->second;
  if (auto m = log.members.find(member); m != log.members.end()) log.members.erase(m);
  if (log.members.size() > log.members.contains(ports::kGroupMember)) return;
  on_log_(filter, 0);
  bytes_ -= log.bytes;
  logs_.erase(log.id);
  by_filter_.erase(it);
}

void MemoryLogs::release(std::string_view filter, std::string_view member, model::Position low) {
  auto it = by_filter_.find(filter);
  if (it == by_filter_.end()) return;
  auto m = it->second->members.find(member);
  if (m != it->second->members.end() && m->second < low) m->second = low;
}

void MemoryLogs::append(std::vector<Append> batch, Done<void> done) {
  for (auto& a : batch) {
    auto it = logs_.find(a.log);
    if (it == logs_.end()) continue;  // nobody reads it any more
    Log& log = *it->second;
    model::Position previous = log.head;
    ++log.head.offset;
    log.bytes += a.message->footprint();
    bytes_ += a.message->footprint();
    log.messages.push_back({log.head, std::move(a.message)});
    for (auto* w : log.watchers) w->on_appended(log.id, previous, log.messages.back());
    if (log.messages.size() >= log.trim_at || log.bytes >= log.trim_at_bytes) trim(log);
    // The log that grows pays for the bound over all of them.
    while (log.messages.size() > 1 && (log.messages.size() > limits_.log_messages || log.bytes > limits_.log_bytes ||
                                       bytes_ > limits_.logs_total_bytes))
      drop_front(log);
  }
  done({});
}

void MemoryLogs::drop_front(Log& log) {
  log.bytes -= log.messages.front().message->footprint();
  bytes_ -= log.messages.front().message->footprint();
  log.first_lost = log.messages.front().position;
  log.messages.pop_front();
}

/// Forgets what every member has had. Looking at all members is paid for by the messages since the last time.
void MemoryLogs::trim(Log& log) {
  model::Position low = log.head;
  if (auto group = log.members.find(ports::kGroupMember); group != log.members.end())
    low = group->second;
  else
    for (auto& [member, position] : log.members) low = std::min(low, position);
  while (!log.messages.empty() && log.messages.front().position <= low) drop_front(log);
  log.trim_at = std::max(kTrimMessages, log.messages.size() * 2);
  log.trim_at_bytes = std::max(kTrimBytes, log.bytes * 2);
}

void MemoryLogs::read(LogId id, model::Position after, std::size_t max, Done<ports::LogPage> done) {
  ports::LogPage page;
  auto it = logs_.find(id);
  if (it == logs_.end()) {
    page.head = after;
    return done(std::move(page));
  }
  Log& log = *it->second;
  page.head = log.head;
  if (after < log.first_lost)
    page.lost = after.generation == generation_ ? log.first_lost.offset - after.offset : log.first_lost.offset;
  auto first = std::upper_bound(log.messages.begin(), log.messages.end(), after,
                                [](const model::Position& p, const ports::StoredMessage& m) { return p < m.position; });
  constexpr std::size_t kPageBytes = 1024 * 1024;
  for (std::size_t bytes = 0; first != log.messages.end() && page.messages.size() < max && bytes < kPageBytes;
       ++first) {
    bytes += first->message->footprint();
    page.messages.push_back(*first);
  }
  done(std::move(page));
}

void MemoryLogs::attach(LogId id, ports::LogWatcher* w, Done<model::Position> done) {
  auto it = logs_.find(id);
  if (it == logs_.end()) return done(model::Position{});
  it->second->watchers.push_back(w);
  done(it->second->head);
}

void MemoryLogs::detach(LogId id, ports::LogWatcher* w) {
  if (auto it = logs_.find(id); it != logs_.end()) std::erase(it->second->watchers, w);
}

std::size_t MemoryLogs::messages(std::string_view filter) const {
  auto it = by_filter_.find(filter);
  return it == by_filter_.end() ? 0 : it->second->messages.size();
}

}  // namespace sb::store
