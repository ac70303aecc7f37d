// SPDX-License-Identifier: MIT
// Logs when the store is opened, or opened again, and what is done with them now and then.
#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "store/embedded_encoding.h"
#include "store/embedded_logs.h"

namespace sb::store::embedded {

std::string EmbeddedLogs::load() {
  Logs before = std::exchange(logs_, {});
  by_filter_.clear();
  bytes_ = 0;
  to_age_.clear();
  std::string error = load_all();
  if (error.empty() && engine_.database().unclean()) error = find_heads();
  if (!error.empty()) {
    // What was announced is still what the routers know.
    logs_ = std::move(before);
    for (auto& [id, log] : logs_) by_filter_[log->filter] = log.get();
    return error;
  }
  for (auto& [id, log] : logs_) {
    bytes_ += log->bytes;
    log->trim_at = log->messages() + kTrimMessages;
    log->trim_at_bytes = log->bytes + kTrimBytes;
  }
  check_from_ = log_key(0);
  announce(before);
  catch_up_watchers(before);
  return {};
}

/// Reads the logs and their members.
std::string EmbeddedLogs::load_all() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(engine_.db().NewIterator(options, engine_.family(Family::logs)));
  Log* log = nullptr;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    std::string_view key = view(it->key());
    LogId id = key.size() < 8 ? 0 : get_be(key.data(), 8);
    if (key.size() <= 8) {
      auto state = LogState::decode(id, view(it->value()));
      if (id == 0 || !state) return "the record of a log is corrupt";
      auto made = std::make_unique<Log>();
      static_cast<LogState&>(*made) = std::move(*state);
      log = made.get();
      log->stored = log->noticed = log->head;
      by_filter_[log->filter] = log;
      logs_[id] = std::move(made);
    } else {
      Reader value(view(it->value()));
      value.format();
      LogState::Offset low = value.number();
      if (!log || log->id != id || !value.ok()) return "the record of a log's member is corrupt";
      log->members.add(key.substr(8), low);
    }
  }
  return it->status().ok() ? std::string() : it->status().ToString();
}

/// After an end that was not orderly: what was appended to each log since it was last stored.
std::string EmbeddedLogs::find_heads() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.ignore_range_deletions = true;
  std::unique_ptr<rocksdb::Iterator> it(engine_.db().NewIterator(options, engine_.family(Family::entries)));
  WallTime now = engine_.wall();
  for (auto& [id, log] : logs_) {
    EntryKey from(id, log->head + 1);
    for (it->Seek(slice(from.view())); it->Valid(); it->Next()) {
      std::string_view key = view(it->key());
      if (key.size() != sizeof from.bytes || get_be(key.data(), 8) != id) break;
      auto m = decode_message(view(it->value()));
      const LogState::Offset offset = get_be(key.data() + 8, 8), missing = offset - log->head - 1;
      constexpr LogState::Offset kMost = 100'000'000;
      if (!m || missing > kMost) return "a message of a log is corrupt or missing";
      if (missing > 0)  // of a damaged store that was imported; readers are told
        log::error("messages lost log={} from={} count={}", log::name(log->filter), log->head + 1, missing);
      while (log->head + 1 < offset) log->append(0, now, grain_);
      log->append(footprint(*m), now, grain_);
    }
    if (!it->status().ok()) return it->status().ToString();
  }
  return {};
}

/// Tells what has changed since the routers were told last.
void EmbeddedLogs::announce(const Logs& before) {
  for (auto& [id, log] : before)
    if (!logs_.contains(id)) on_log_(log->filter, 0);
  for (auto& [id, log] : logs_)
    if (!before.contains(id)) on_log_(log->filter, id);
}

/// What was appended and not answered before the store failed may be there all the same.
void EmbeddedLogs::catch_up_watchers(Logs& before) {
  for (auto& [id, old] : before) {
    auto it = logs_.find(id);
    if (it == logs_.end() || old->watches.empty()) continue;
    Log& log = *it->second;
    log.watches = std::move(old->watches);
    log.noticed = std::min(old->noticed, log.head);
    while (log.noticed < log.head) {
      auto page = read_page(id, log.position(log.noticed), 1000, log.head);
      if (!page || page->messages.empty()) break;
      for (auto& m : page->messages) notice(id, log.position(m.position.offset - 1), m);
    }
  }
}

void EmbeddedLogs::before_close() {
  for (auto& [id, log] : logs_)
    if (log->stored != log->head) store(*log);
}

void EmbeddedLogs::on_tick() {
  check_members();
  if (limits_.log_age == 0) return;
  if (to_age_.empty())
    for (auto& [id, log] : logs_)
      if (!log->pieces.empty()) to_age_.push_back(id);
  WallTime old = engine_.wall() - Seconds(limits_.log_age);
  for (std::size_t n = 0; n < kOldPerTick && !to_age_.empty(); ++n) {
    auto it = logs_.find(to_age_.back());
    to_age_.pop_back();
    if (it == logs_.end()) continue;
    Log& log = *it->second;
    LogState::Offset upto = log.trimmed;
    for (auto& p : log.pieces)
      if (p.newest <= old) upto = p.last;
    drop_to(log, upto);
  }
}

/// Looks, a few at a time, for members that no session knows of: a crash came between the end of a subscription and its
/// leaving the log. Members that were heard of in this run are left alone.
void EmbeddedLogs::check_members() {
  constexpr int kPerTick = 1000;
  if (check_from_.empty()) return;
  std::vector<std::pair<std::string, std::string>> orphans;
  std::unique_ptr<rocksdb::Iterator> it(engine_.db().NewIterator({}, engine_.family(Family::logs)));
  it->Seek(check_from_);
  for (int n = 0; it->Valid() && n < kPerTick; it->Next(), ++n) {
    std::string_view key = view(it->key());
    auto log = logs_.find(get_be(key.data(), 8));
    if (key.size() == 8 || log == logs_.end()) continue;
    Reader value(view(it->value()));
    value.format();
    value.number();
    std::string_view member = key.substr(8);
    if (value.number() < engine_.run() && is_orphan(member, log->second->filter))
      orphans.emplace_back(log->second->filter, member);
  }
  check_from_ = it->Valid() ? it->key().ToString() : std::string();
  for (auto& [filter, member] : orphans) {
    log::info("log left filter={} reason=\"no session reads it for this member\" member={}", log::name(filter),
              log::name(member));
    leave(filter, member);
  }
}

/// A member is "client#incarnation"; what has another form is not a session's.
bool EmbeddedLogs::is_orphan(std::string_view member, const std::string& filter) {
  std::size_t hash = member.rfind('#');
  if (hash == std::string_view::npos) return false;
  std::uint64_t incarnation = 0;
  auto [end, e] = std::from_chars(member.data() + hash + 1, member.data() + member.size(), incarnation);
  if (e != std::errc() || end != member.data() + member.size()) return false;
  std::string prefix = session_prefix(member.substr(0, hash));
  auto bytes = engine_.get(Family::sessions, prefix + kCore);
  if (!engine_.up()) return false;
  auto core = bytes ? decode_core(*bytes) : std::nullopt;
  if (!core || core->incarnation != incarnation) return true;
  return !engine_.get(Family::sessions, prefix + kSubscription + filter) && engine_.up();
}

}  // namespace sb::store::embedded
