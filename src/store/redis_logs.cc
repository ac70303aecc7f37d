// SPDX-License-Identifier: MIT
// What is asked of the logs. redis_logs_care.cc: what they do by themselves.
#include "store/redis_logs.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "store/embedded_log_state.h"

namespace sb::store {

using model::Position;
using ports::LogPage;

namespace {

constexpr std::size_t kEntryBytes = 250 * 1024;  // an entry stays below 256 KB
constexpr std::size_t kEntryMessages = 2000;
constexpr std::uint64_t kNumberShift = 10;  // numbers of batches begin at milliseconds times 2^10: below 2^53

std::uint64_t wall_ms(io::EventLoop& loop) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(loop.wall().time_since_epoch().count(), 1));
}

}  // namespace

RedisLogs::RedisLogs(RedisEngine& engine, OnLog on_log, LogPeers* peers)
    : engine_(engine),
      on_log_(std::move(on_log)),
      peers_(peers),
      limits_(engine.options().limits),
      writer_name_(fmt::format("{}#{}", engine.options().node,
                               engine.options().epoch ? engine.options().epoch : wall_ms(engine.loop()))),
      call_(engine.writer().client()),
      reader_(engine.writer().client(), memory_),
      members_(engine.writer().client(), engine.keys()) {
  const embedded::Grain grain(limits_);
  const auto age = std::chrono::duration_cast<Seconds>(grain.age).count();
  bounds_ = {std::to_string(limits_.log_messages), std::to_string(grain.bytes), std::to_string(grain.messages),
             std::to_string(limits_.log_age), std::to_string(std::max<std::int64_t>(age, 1))};
  entry_messages_ = std::min<std::size_t>(grain.messages, kEntryMessages);
  entry_bytes_ = std::min<std::size_t>(grain.bytes, kEntryBytes);
  for (std::size_t i = 0; i < RedisKeys::kShards; ++i)
    lists_.push_back(std::make_unique<LogList>(engine.writer(), engine.keys().logs(i)));
  engine.add(*this);
}

RedisLogs::~RedisLogs() { engine_.loop().timers().cancel(*this); }

RedisLog* RedisLogs::find(std::string_view filter) {
  auto it = by_filter_.find(filter);
  return it == by_filter_.end() ? nullptr : it->second.get();
}

RedisLog* RedisLogs::find(LogId id) {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

std::uint64_t RedisLogs::new_incarnation() {
  return last_incarnation_ = std::max(last_incarnation_ + 1, wall_ms(engine_.loop()));
}

/// `incarnation` 0: it is to be listed.
RedisLog& RedisLogs::make(std::string_view filter, std::uint64_t incarnation) {
  next_first_ = std::max(next_first_ + 1, wall_ms(engine_.loop()) << kNumberShift);
  auto made = std::make_unique<RedisLog>(*this, next_id_++, std::string(filter), next_first_);
  RedisLog& log = *made;
  log.incarnation = incarnation;
  log.trim_messages = kSoftMessages;
  log.trim_bytes = kSoftBytes;
  by_id_[log.id] = &log;
  by_filter_[log.filter] = std::move(made);
  if (incarnation == 0)
    list_of(log.filter).begin(log.filter, new_incarnation(), [this, id = log.id](std::uint64_t listed) {
      if (RedisLog* l = find(id)) l->listed(listed);
    });
  return log;
}

LogList& RedisLogs::list_of(const std::string& filter) { return *lists_[RedisKeys::shard_of(filter)]; }

void RedisLogs::announce(RedisLog& log) {
  if (!std::exchange(log.announced, true)) on_log_(log.filter, log.id);
}

bool RedisLogs::stuck(const RedisLog& log) const { return log.waits_since() < now() - engine_.options().hold; }

// ---------------------------------------------------------------- members

void RedisLogs::join(std::string_view filter, std::string_view member, Done<Joined> done) {
  auto slot = answers_.add(std::move(done), now());
  RedisLog* log = find(filter);
  if (!engine_.knows() || (log && stuck(*log))) {
    if (log) log->count(std::string(member));
    return answers_.answer<Joined>(slot, make_error_code(ports::errc::unavailable));
  }
  if (!log && member == ports::kGroupMember) return answers_.answer<Joined>(slot, make_error_code(ports::errc::no_log));
  join(std::string(filter), std::string(member), std::move(slot));
}

void RedisLogs::join(const std::string& filter, std::string member, Answers::Ptr<Joined> slot) {
  if (slot->answered()) return;
  RedisLog* log = find(filter);
  (log ? *log : make(filter, 0)).join(std::move(member), std::move(slot));
}

void RedisLogs::joined(RedisLog& log) {
  announce(log);
  if (peers_ && !log.told) {
    if (!std::exchange(log.telling, true))
      peers_->log_began(log.filter, log.incarnation, [this, id = log.id] {
        RedisLog* l = find(id);
        if (!l) return;
        l->told = true;
        l->telling = false;
        joined(*l);
      });
    return;
  }
  for (auto& [slot, head] : std::exchange(log.joined, {})) answers_.answer(slot, result<Joined>(Joined{log.id, head}));
}

void RedisLogs::leave(std::string_view filter, std::string_view member) {
  if (RedisLog* log = find(filter)) log->leave(std::string(member), answers_.add<void>([](result<void>) {}, now()));
}

/// What the record of an abandoned one says is looked at when the log grows.
void RedisLogs::away(std::string_view filter, std::string_view member) {
  if (RedisLog* log = find(filter)) log->away(member);
}

void RedisLogs::release(std::string_view filter, std::string_view member, Position low) {
  if (RedisLog* log = find(filter)) log->release(member, low);
}

void RedisLogs::retire(RedisLog& log) {
  if (log.gone) return;
  auto it = by_filter_.find(log.filter);
  gone_.push_back(std::move(it->second));
  by_filter_.erase(it);
  by_id_.erase(log.id);
  counted(log, 0, 0);
  list_of(log.filter).end(log.filter, log.incarnation);
  if (log.announced) on_log_(log.filter, 0);
  if (log.announced && peers_) peers_->log_ended(log.filter, log.incarnation);
  log.end();
}

// ---------------------------------------------------------------- messages

void RedisLogs::append(std::vector<Append> batch, Done<void> done) {
  auto slot = answers_.add(std::move(done), now());
  bool refused = !engine_.knows() || waiting_bytes_ > engine_.options().redo_bytes;
  RedisLog* log = nullptr;
  for (std::size_t i = 0; i < batch.size() && !refused; ++i) {
    if (!log || log->id != batch[i].log) log = find(batch[i].log);
    refused = log && stuck(*log);
  }
  if (refused) {
    engine_.refused();
    return answers_.answer<void>(slot, make_error_code(ports::errc::unavailable));
  }
  slot->parts = 1;
  log = nullptr;
  for (auto& a : batch) {
    if (!log || log->id != a.log) log = find(a.log);
    if (log) log->append(a, slot);  // else nobody reads it any more
  }
  if (--slot->parts == 0) answers_.answer(slot, result<void>());
}

std::uint64_t RedisLogs::bytes_for(const RedisLog& log) const {
  const std::uint64_t others = bytes_ - log.bytes, all = limits_.logs_total_bytes;
  return std::min<std::uint64_t>(limits_.log_bytes, all > others ? all - others : 0);
}

void RedisLogs::counted(RedisLog& log, std::uint64_t bytes, std::uint64_t messages) {
  bytes_ += bytes - log.bytes;
  messages_ += messages - log.messages;
  log.bytes = bytes;
  log.messages = messages;
}

void RedisLogs::read(LogId id, Position after, std::size_t max, Done<LogPage> done) {
  auto slot = answers_.add(std::move(done), now());
  auto gone = [this, slot, after] {
    LogPage page;
    page.head = after;
    answers_.answer(slot, result<LogPage>(std::move(page)));
  };
  RedisLog* log = find(id);
  if (!log) return gone();
  log->behind([this, id, after, max, slot, gone] {
    RedisLog* l = find(id);
    if (slot->answered()) return;
    if (!l) return gone();
    reader_.page(l->key(), l->state_key, after, std::max<std::size_t>(max, 1), l->read, engine_.options().hold,
                 [this, slot, id](result<LogPage> page) {
                   if (RedisLog* read = page ? find(id) : nullptr) read->seen(page->head);
                   answers_.answer(slot, std::move(page));
                 });
  });
}

void RedisLogs::attach(LogId id, ports::LogWatcher* w, Done<Position> done) {
  auto slot = answers_.add(std::move(done), now());
  RedisLog* log = find(id);
  if (!log) return answers_.answer(slot, result<Position>(Position{}));
  const std::uint64_t attachment = log->tail.attach(w);
  log->behind([this, id, attachment, slot] {
    RedisLog* l = find(id);
    if (!l) return answers_.answer(slot, result<Position>(Position{}));
    if (l->tail.runs()) {
      l->tail.listen(attachment);
      return answers_.answer(slot, result<Position>(l->tail.at()));
    }
    reader_.head(l->state_key, engine_.options().hold, [this, id, attachment, slot](result<LogHead> head) {
      RedisLog* read = find(id);
      if (!read) return answers_.answer(slot, result<Position>(Position{}));
      if (!head || slot->answered()) {
        read->tail.detach(attachment);
        return answers_.answer<Position>(slot, make_error_code(ports::errc::unavailable));
      }
      if (!read->tail.runs()) read->tail.start(std::max(head->last, read->head()));
      read->tail.listen(attachment);
      answers_.answer(slot, result<Position>(read->tail.at()));
      read->tail.go_on();
      if (read->tail.hole()) note_hole(*read);
    });
  });
}

void RedisLogs::detach(LogId id, ports::LogWatcher* w) {
  if (RedisLog* log = find(id)) log->tail.detach(w);
}

}  // namespace sb::store
