// SPDX-License-Identifier: MIT
#include "store/embedded_logs.h"

#include <algorithm>

#include "base/log.h"
#include "store/embedded_encoding.h"

namespace sb::store::embedded {

using model::Position;
using ports::LogPage;

/// The answer to an append: watchers hear of the messages before it is given.
class EmbeddedLogs::AppendReply final : public Reply {
 public:
  AppendReply(EmbeddedLogs& logs, Done<void> done) : logs_(logs), done_(std::move(done)) {}
  void give() override {
    for (auto& n : notices) logs_.notice(n.log, n.previous, n.message);
    done_({});
  }
  void refuse() override { done_(make_error_code(ports::errc::unavailable)); }
  struct Notice {
    LogId log;
    Position previous;
    ports::StoredMessage message;
  };
  std::vector<Notice> notices;

 private:
  EmbeddedLogs& logs_;
  Done<void> done_;
};

/// The answer to an attach: one that is refused has not attached.
class EmbeddedLogs::AttachReply final : public Reply {
 public:
  AttachReply(EmbeddedLogs& logs, LogId log, ports::LogWatcher* w, Position head, Done<Position> done)
      : logs_(logs), log_(log), watcher_(w), head_(head), done_(std::move(done)) {}
  void give() override { done_(head_); }
  void refuse() override {
    logs_.detach(log_, watcher_);
    done_(make_error_code(ports::errc::unavailable));
  }

 private:
  EmbeddedLogs& logs_;
  LogId log_;
  ports::LogWatcher* watcher_;
  Position head_;
  Done<Position> done_;
};

EmbeddedLogs::EmbeddedLogs(EmbeddedEngine& engine, OnLog on_log)
    : engine_(engine), on_log_(std::move(on_log)), limits_(engine.options().limits), grain_(limits_) {
  engine.add(*this);
}
EmbeddedLogs::~EmbeddedLogs() = default;

EmbeddedLogs::Log* EmbeddedLogs::find(std::string_view filter) {
  auto it = by_filter_.find(filter);
  return it == by_filter_.end() ? nullptr : it->second;
}

std::uint64_t EmbeddedLogs::messages(std::string_view filter) const {
  auto it = by_filter_.find(filter);
  return it == by_filter_.end() ? 0 : it->second->messages();
}

/// Puts what is known of the log into the batch.
void EmbeddedLogs::store(Log& log) {
  engine_.batch().Put(engine_.family(Family::logs), log_key(log.id), log.encode()).PermitUncheckedError();
  log.stored = log.head;
}

// ---------------------------------------------------------------- members

void EmbeddedLogs::join(std::string_view filter, std::string_view member, Done<Joined> done) {
  if (!engine_.up()) return engine_.refuse(std::move(done));
  Log* log = find(filter);
  if (!log) {
    if (member == ports::kGroupMember)
      return engine_.answer<Joined>(std::move(done), make_error_code(ports::errc::no_log));
    auto made = std::make_unique<Log>();
    log = made.get();
    log->id = engine_.number();
    log->filter = filter;
    log->begin_era(engine_.number());
    logs_[log->id] = std::move(made);
    by_filter_[log->filter] = log;
    store(*log);
    on_log_(filter, log->id);
  }
  log->members.add(member, member == ports::kGroupMember ? log->trimmed : log->head);
  put_member(*log, member, *log->members.find(member));  // heard of in this run: see check_members
  engine_.answer<Joined>(std::move(done), Joined{log->id, log->head_position()});
}

void EmbeddedLogs::put_member(const Log& log, std::string_view member, LogState::Offset low) {
  std::string value(1, kFormat);
  Writer(value).number(low).number(engine_.run());
  engine_.batch().Put(engine_.family(Family::logs), member_key(log.id, member), value).PermitUncheckedError();
}

void EmbeddedLogs::leave(std::string_view filter, std::string_view member) {
  Log* log = engine_.up() ? find(filter) : nullptr;
  if (!log) return;
  auto& batch = engine_.batch();
  if (log->members.remove(member))
    batch.Delete(engine_.family(Family::logs), member_key(log->id, member)).PermitUncheckedError();
  if (log->members.hold()) return;
  on_log_(filter, 0);
  if (log->members.remove(ports::kGroupMember))
    batch.Delete(engine_.family(Family::logs), member_key(log->id, ports::kGroupMember)).PermitUncheckedError();
  batch.Delete(engine_.family(Family::logs), log_key(log->id)).PermitUncheckedError();
  if (log->messages() > 0) delete_entries(log->id, log->trimmed, log->head);
  bytes_ -= log->bytes;
  by_filter_.erase(log->filter);
  logs_.erase(log->id);
}

void EmbeddedLogs::release(std::string_view filter, std::string_view member, Position low) {
  Log* log = engine_.up() ? find(filter) : nullptr;
  LogState::Offset* had = log ? log->members.find(member) : nullptr;
  LogState::Offset has = had ? log->offset_of(low) : 0;
  if (!had || has <= *had) return;
  // On the disk it may lag: it is a lower bound.
  if (has / kLowStep != *had / kLowStep) put_member(*log, member, has);
  *had = has;
}

// ---------------------------------------------------------------- messages

void EmbeddedLogs::append(std::vector<Append> batch, Done<void> done) {
  if (!engine_.up()) return engine_.refuse(std::move(done));
  auto reply = std::make_unique<AppendReply>(*this, std::move(done));
  WallTime now = engine_.wall();
  Log* log = nullptr;
  for (auto& a : batch) {
    if (!log || log->id != a.log) {
      auto it = logs_.find(a.log);
      log = it == logs_.end() ? nullptr : it->second.get();
      if (!log) continue;  // nobody reads it any more
    }
    Position previous = log->watches.empty() ? Position() : log->head_position();
    append_one(*log, a.message->view(), now);
    if (!log->watches.empty())
      reply->notices.push_back({log->id, previous, {log->head_position(), std::move(a.message)}});
  }
  engine_.reply(std::move(reply));
}

void EmbeddedLogs::append_one(Log& log, const model::MessageView& m, WallTime now) {
  bool renewed = log.eras.back().generation < engine_.trusted_generations();
  if (renewed) log.begin_era(engine_.number());
  MessageHeader header(m);
  EntryKey key(log.id, log.head + 1);
  rocksdb::Slice key_part = slice(key.view());
  rocksdb::Slice parts[] = {{header.bytes, header.size}, slice(m.topic), slice(m.properties), slice(m.payload)};
  engine_.batch()
      .Put(engine_.family(Family::entries), rocksdb::SliceParts(&key_part, 1), rocksdb::SliceParts(parts, 4))
      .PermitUncheckedError();
  std::uint64_t size = footprint(m);
  bytes_ += size;
  bool full = log.append(size, now, grain_);
  if (full || renewed) store(log);
  if (log.messages() >= log.trim_at || log.bytes >= log.trim_at_bytes) trim(log);
  if (log.messages() > limits_.log_messages || log.bytes > limits_.log_bytes || bytes_ > limits_.logs_total_bytes)
    bound(log);
}

void EmbeddedLogs::delete_entries(LogId log, LogState::Offset from, LogState::Offset upto) {
  // The least string above the key of `from`: it has another length than the key of an entry, so that RocksDB has no
  // insertion hint for it. (It would be of the other list: 7.8 has one hint for entries and range deletions.)
  std::string begin(EntryKey(log, from).view());
  begin += '\0';
  EntryKey end(log, upto + 1);
  engine_.batch().DeleteRange(engine_.family(Family::entries), begin, slice(end.view())).PermitUncheckedError();
}

/// Forgets what is at or before `offset`.
void EmbeddedLogs::drop_to(Log& log, LogState::Offset offset) {
  LogState::Offset from = log.trimmed;
  if (offset <= from) return;
  bytes_ -= log.bytes;
  log.LogState::drop_to(offset);
  bytes_ += log.bytes;
  delete_entries(log.id, from, log.trimmed);
  store(log);
}

/// Forgets what every member has had. Looking at all members is paid for by the messages since the last time.
void EmbeddedLogs::trim(Log& log) {
  drop_to(log, log.members.lowest(log.head));
  log.trim_at = log.messages() * 2 + std::max<std::uint64_t>(kTrimMessages, log.members.size() / 4);
  log.trim_at_bytes = std::max(kTrimBytes, log.bytes * 2);
}

/// The log that grows pays for the bound over all of them; its last piece stays.
void EmbeddedLogs::bound(Log& log) {
  std::uint64_t messages = log.messages(), bytes = log.bytes, all = bytes_;
  LogState::Offset upto = log.trimmed;
  for (std::size_t i = 0; i + 1 < log.pieces.size() && (messages > limits_.log_messages || bytes > limits_.log_bytes ||
                                                        all > limits_.logs_total_bytes);
       ++i) {
    messages -= log.pieces[i].last - upto;
    bytes -= log.pieces[i].bytes;
    all -= log.pieces[i].bytes;
    upto = log.pieces[i].last;
  }
  drop_to(log, upto);
}

void EmbeddedLogs::read(LogId id, Position after, std::size_t max, Done<LogPage> done) {
  if (!engine_.up()) return engine_.refuse(std::move(done));
  auto it = logs_.find(id);
  LogState::Offset upto = it == logs_.end() ? 0 : it->second->head;
  engine_.answer_read<LogPage>(std::move(done),
                               [this, id, after, max, upto] { return read_page(id, after, max, upto); });
}

result<LogPage> EmbeddedLogs::read_page(LogId id, Position after, std::size_t max, LogState::Offset upto) {
  constexpr std::size_t kPageBytes = 1024 * 1024;
  LogPage page;
  auto found = logs_.find(id);
  if (found == logs_.end()) {
    page.head = after;
    return page;
  }
  const Log& log = *found->second;
  LogState::Offset from = log.offset_of(after);
  if (from < log.trimmed) {
    page.lost = log.trimmed - from;
    from = log.trimmed;
  }
  upto = std::max(upto, from);
  page.head = log.position(upto);
  if (from == upto) return page;
  EntryKey begin(id, from + 1), end(id, upto + 1);
  rocksdb::Slice below = slice(end.view());
  rocksdb::ReadOptions options = reading_below(&below);
  options.ignore_range_deletions = true;  // nothing is read that was deleted: it lies before `trimmed`
  std::unique_ptr<rocksdb::Iterator> it(engine_.db().NewIterator(options, engine_.family(Family::entries)));
  std::size_t bytes = 0;
  for (it->Seek(slice(begin.view())); it->Valid() && page.messages.size() < max && bytes < kPageBytes; it->Next()) {
    auto m = decode_message(view(it->value()));
    if (!m || it->key().size() != sizeof begin.bytes) {
      log::error("store corrupt entry log={} offset={}", log::name(log.filter), from + page.messages.size() + 1);
      return make_error_code(ports::errc::unavailable);
    }
    const LogState::Offset offset = get_be(it->key().data() + 8, 8);
    if (offset > from + page.messages.size() + 1) {  // an export of a damaged store leaves out what it could not read
      if (!page.messages.empty()) break;
      page.lost += offset - from - 1;
      from = offset - 1;
    }
    page.messages.push_back({log.position(offset), model::Message::copy(*m)});
    bytes += footprint(*m);
  }
  if (page.messages.empty() && it->status().ok()) page.lost += upto - from;
  if (!it->status().ok()) {
    engine_.fail(it->status().ToString());
    return make_error_code(ports::errc::unavailable);
  }
  return page;
}

// ---------------------------------------------------------------- watchers

void EmbeddedLogs::attach(LogId id, ports::LogWatcher* w, Done<Position> done) {
  if (!engine_.up()) return engine_.refuse(std::move(done));
  auto it = logs_.find(id);
  if (it == logs_.end()) return engine_.answer<Position>(std::move(done), Position{});
  Log& log = *it->second;
  if (log.watches.empty()) log.noticed = log.head;
  log.watches.push_back({w, log.head});
  engine_.reply(std::make_unique<AttachReply>(*this, id, w, log.head_position(), std::move(done)));
}

void EmbeddedLogs::detach(LogId id, ports::LogWatcher* w) {
  auto it = logs_.find(id);
  if (it != logs_.end()) std::erase_if(it->second->watches, [w](const Watch& x) { return x.watcher == w; });
}

void EmbeddedLogs::notice(LogId id, Position previous, const ports::StoredMessage& m) {
  auto it = logs_.find(id);
  if (it == logs_.end()) return;
  Log& log = *it->second;
  log.noticed = m.position.offset;
  for (std::size_t i = 0; i < log.watches.size(); ++i)
    if (log.watches[i].from < m.position.offset) log.watches[i].watcher->on_appended(id, previous, m);
}

}  // namespace sb::store::embedded
