// SPDX-License-Identifier: MIT
#include "store/embedded_tools.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <filesystem>
#include <istream>
#include <map>
#include <ostream>

#include "base/base64.h"
#include "base/hash_map.h"
#include "store/embedded_database.h"
#include "store/embedded_encoding.h"
#include "store/embedded_log_state.h"
#include "store/embedded_wal.h"

namespace sb::store {
namespace {

using namespace embedded;
using Findings = std::vector<std::string>;

constexpr std::string_view kFirstLine = R"({"signalbox":"store","format":1})";
constexpr std::string_view kLastLine = R"({"complete":true})";

/// The last key of the file in which reading failed; "" when the error names none.
std::string end_of_damage(Database& d, const rocksdb::Status& s) {
  std::vector<rocksdb::LiveFileMetaData> files;
  d.db().GetLiveFilesMetaData(&files);
  const std::string text = s.ToString();
  for (auto& file : files)
    if (text.find(file.name) != std::string::npos) return file.largestkey;
  return {};
}

/// A key for people: of a message its log's number and its own, of the others their text.
std::string name_of(Family family, std::string_view key) {
  if (family == Family::entries && key.size() == 16)
    return fmt::format("log {} message {}", get_be(key.data(), 8), get_be(key.data() + 8, 8));
  std::string text;
  for (char c : key) text += c >= ' ' && c != 0x7F ? c : '.';
  return text.empty() ? "the first" : text;
}

/// Calls `f(key, value)` for everything in a family that can be read; what cannot is passed over up to the end of its
/// file, and goes to `findings`. Returns what went wrong beyond that.
template <class F>
std::string each(Database& d, Family family, Findings& findings, F f) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  std::string last, passed;
  std::unique_ptr<rocksdb::Iterator> it(d.db().NewIterator(options, d.family(family)));
  it->SeekToFirst();
  for (;;) {
    for (; it->Valid(); it->Next()) {
      last.assign(it->key().data(), it->key().size());
      f(view(it->key()), view(it->value()));
    }
    const rocksdb::Status s = it->status();
    if (s.ok()) return {};
    const std::string end = s.IsCorruption() ? end_of_damage(d, s) : "";
    if (end <= std::max(last, passed)) return fmt::format("{}: {}", to_string(family), s.ToString());
    findings.push_back(fmt::format("{}: lost is what lies behind {} up to {}: {}", to_string(family),
                                   name_of(family, last), name_of(family, end), s.ToString()));
    it.reset(d.db().NewIterator(options, d.family(family)));
    it->Seek(end + '\0');
    passed = end;
  }
}

/// Reads all records of a store, counts them and finds what does not fit.
class Examination {
 public:
  Examination(Database& d, Findings& findings, StoreStats& stats) : d_(d), findings_(findings), stats_(stats) {}

  std::string run() {
    for (auto step : {&Examination::logs, &Examination::entries, &Examination::sessions, &Examination::progress,
                      &Examination::others})
      if (std::string error = (this->*step)(); !error.empty()) return error;
    const Counts& counted = d_.meta().counts;
    if (counted.sessions != stats_.sessions)
      find("{} sessions are counted, {} are there", counted.sessions, stats_.sessions);
    if (counted.retained != stats_.retained)
      find("{} retained messages are counted, {} are there", counted.retained, stats_.retained);
    if (d_.meta().bytes_known && counted.retained_bytes != stats_.retained_bytes)
      find("{} bytes of retained messages are counted, {} are there", counted.retained_bytes, stats_.retained_bytes);
    return {};
  }

 private:
  template <class... Args>
  void find(fmt::format_string<Args...> format, Args&&... args) {
    if (findings_.size() < 1000) findings_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  std::string logs() {
    return each(d_, Family::logs, findings_, [&](std::string_view key, std::string_view value) {
      std::uint64_t id = key.size() < 8 ? 0 : get_be(key.data(), 8);
      if (key.size() > 8) {
        ++stats_.members;
        if (!logs_.contains(id)) find("member {} of a log that is not there", key.substr(8));
        return;
      }
      ++stats_.logs;
      auto log = LogState::decode(id, value);
      if (log)
        logs_.emplace(id, std::move(*log));
      else
        find("log {}: its record is corrupt", id);
    });
  }

  std::string entries() {
    std::map<std::uint64_t, std::uint64_t> last;
    return each(d_, Family::entries, findings_, [&](std::string_view key, std::string_view value) {
      ++stats_.messages;
      stats_.message_bytes += value.size();
      if (key.size() != 16) return find("a message with a key of {} bytes", key.size());
      std::uint64_t id = get_be(key.data(), 8), offset = get_be(key.data() + 8, 8);
      auto log = logs_.find(id);
      if (log == logs_.end()) return find("a message of a log that is not there");
      auto [it, first] = last.try_emplace(id, offset);
      std::uint64_t expected = first ? log->second.trimmed + 1 : it->second + 1;
      if (offset != expected) find("log {}: message {} follows {}", log->second.filter, offset, expected - 1);
      it->second = offset;
      if (!decode_message(value)) find("log {}: message {} is corrupt", log->second.filter, offset);
    });
  }

  std::string sessions() {
    return each(d_, Family::sessions, findings_, [&](std::string_view key, std::string_view value) {
      std::string_view rest, client = client_of(key, rest);
      bool core = !rest.empty() && rest[0] == kCore;
      ++(core ? stats_.sessions : stats_.subscriptions);
      if (core) last_client_ = client;
      if (!core && client != last_client_) find("session {}: a subscription without a session", client);
      if (core ? !decode_core(value) : !decode_subscription(value)) find("session {}: a record is corrupt", client);
    });
  }

  std::string progress() {
    return each(d_, Family::progress, findings_, [&](std::string_view key, std::string_view value) {
      std::string_view rest, client = client_of(key, rest);
      char kind = rest.empty() ? '\0' : rest[0];
      if (kind == kInbound || kind == kOutbound) ++stats_.packet_ids;
      bool ok = (kind == kInbound && decode_inbound(value)) || (kind == kCursor && decode_position(value)) ||
                (kind == kOutbound && decode_outbound(value)) || (kind == kPublish && decode_publish(value));
      if (!ok) find("session {}: a record of its progress is corrupt", client);
    });
  }

  std::string others() {
    std::string error = each(d_, Family::connected, findings_, [&](auto, auto) { ++stats_.connected; });
    if (error.empty()) error = each(d_, Family::due, findings_, [](auto, auto) {});
    if (error.empty())
      error = each(d_, Family::wills, findings_, [&](std::string_view key, std::string_view value) {
        if (key.size() < kWillNumber || !decode_core(value))
          find("a will of {} is corrupt", name_of(Family::wills, key));
      });
    if (!error.empty()) return error;
    return each(d_, Family::retained, findings_, [&](std::string_view topic, std::string_view value) {
      ++stats_.retained;
      stats_.retained_bytes += topic.size() + value.size();
      if (!decode_message(value)) find("retained message of {} is corrupt", topic);
    });
  }

  Database& d_;
  Findings& findings_;
  StoreStats& stats_;
  std::map<std::uint64_t, LogState> logs_;
  std::string last_client_;
};

std::uint64_t bytes_in(const std::string& path) {
  std::uint64_t all = 0;
  std::error_code ignored;
  for (std::filesystem::directory_iterator it(path, ignored), end; !ignored && it != end; it.increment(ignored))
    if (auto n = it->file_size(ignored); !ignored) all += n;
  return all;
}

/// The text of "name":"…" in `line`; ours needs no escapes.
std::string_view field(std::string_view line, std::string_view name) {
  std::string begin = fmt::format("\"{}\":\"", name);
  std::size_t at = line.find(begin);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + begin.size());
  return line.substr(0, line.find('"'));
}

}  // namespace

std::string check_store(const std::string& path, std::vector<std::string>& findings, StoreStats& stats) {
  if (std::string where = find_corrupt_wal(path); !where.empty()) findings.push_back(where);
  std::string error;
  auto d = Database::open_to_read(path, error);
  if (!d) return error;
  stats.disk_bytes = bytes_in(path);
  if (auto s = d->db().VerifyChecksum(); !s.ok()) findings.push_back(s.ToString());
  return Examination(*d, findings, stats).run();
}

std::string store_stats(const std::string& path, StoreStats& stats) {
  std::string error;
  auto d = Database::open_to_read(path, error);
  if (!d) return error;
  stats.disk_bytes = bytes_in(path);
  Findings ignored;
  return Examination(*d, ignored, stats).run();
}

std::string export_store(const std::string& path, std::ostream& out, std::vector<std::string>& lost) {
  std::string error;
  if (std::string where = find_corrupt_wal(path); !where.empty()) lost.push_back("lost is what lies behind: " + where);
  auto d = Database::open_to_read(path, error);
  if (!d) return error;
  out << kFirstLine << '\n';
  for (std::size_t i = 0; error.empty() && i < kFamilies; ++i) {
    auto family = static_cast<Family>(i);
    error = each(*d, family, lost, [&](std::string_view key, std::string_view value) {
      if (family == Family::meta && key == Database::kClean) return;
      out << fmt::format("{{\"family\":\"{}\",\"key\":\"{}\",\"value\":\"{}\"}}\n", to_string(family),
                         base64_encode(key), base64_encode(value));
    });
  }
  if (error.empty()) out << kLastLine << '\n';
  if (error.empty() && !out.flush()) error = "the export could not be written";
  return error;
}

namespace {

/// Of an export that is not complete, what fits together: records come in the order of their keys, and what belongs to
/// a log or a session comes behind it.
struct Whole {
  Counts counts;
  bool has_run = false;

  bool take(Family family, std::string_view key, std::string_view value) {
    if (family == Family::retained) {
      ++counts.retained;
      counts.retained_bytes += key.size() + value.size();
    }
    if (family == Family::logs && key.size() == 8) logs_.emplace(key);
    if (family == Family::logs || family == Family::entries) return logs_.contains(key.substr(0, 8));
    if (family == Family::meta && key == Database::kRun) has_run = true;
    if (family != Family::sessions && family != Family::progress) return true;
    std::string_view rest, client = client_of(key, rest);
    const bool core = family == Family::sessions && !rest.empty() && rest[0] == kCore;
    if (core) clients_.insert(hash_bytes(client));
    counts.sessions += core;
    return clients_.contains(hash_bytes(client));
  }

 private:
  StringSet logs_;
  absl::flat_hash_set<std::uint64_t> clients_;  ///< hashes
};

}  // namespace

std::string import_store(const std::string& path, std::istream& in) {
  std::string line, error;
  if (!std::getline(in, line) || line != kFirstLine)
    return fmt::format("line 1: not an export of a store that this version knows; it begins with {}", kFirstLine);
  auto d = Database::create(path, error);
  if (!d) return error;
  rocksdb::WriteBatch batch;
  rocksdb::Status s;
  Whole whole;
  bool complete = false;
  for (std::uint64_t number = 2; s.ok() && !complete && std::getline(in, line); ++number) {
    complete = line == kLastLine;
    if (complete) break;
    std::size_t f = 0;
    while (f < kFamilies && to_string(static_cast<Family>(f)) != field(line, "family")) ++f;
    auto key = base64_decode(field(line, "key")), value = base64_decode(field(line, "value"));
    if (f == kFamilies || !key || !value || !line.ends_with('}'))
      return fmt::format("line {}: no record of a store; {} is not complete, remove it", number, path);
    const auto family = static_cast<Family>(f);
    if (!whole.take(family, *key, *value)) continue;
    s = batch.Put(d->family(family), *key, *value);
    if (s.ok() && batch.GetDataSize() > 1024 * 1024) {
      s = d->write({}, batch);
      batch.Clear();
    }
  }
  if (s.ok() && !complete) return fmt::format("the export has no last line; {} is not complete, remove it", path);
  if (s.ok() && !whole.has_run)
    return fmt::format("the export has no record of the store itself; {} cannot be used, remove it", path);
  if (s.ok()) s = batch.Put(d->family(Family::meta), slice(Database::kCounts), Database::record_of(whole.counts));
  if (s.ok()) s = d->write({}, batch);
  if (s.ok()) s = d->close_imported();
  return s.ok() ? "" : fmt::format("{} is not complete, remove it: {}", path, s.ToString());
}

}  // namespace sb::store
