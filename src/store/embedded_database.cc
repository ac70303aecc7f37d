// SPDX-License-Identifier: MIT
#include "store/embedded_database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "store/embedded_encoding.h"
#include "store/embedded_wal.h"

namespace sb::store::embedded {
namespace {

constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr std::array<const char*, kFamilies> kNames = {"default", "logs",      "entries",  "sessions", "progress",
                                                       "due",     "connected", "retained", "wills"};
constexpr int kDirectoryFormat = 1;
constexpr const char* kFormatFile = "FORMAT";
constexpr std::string_view kForgot = "forgot", kConcern = "concern";

/// The log of the key of a message.
class LogOfEntry final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "LogOfEntry"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), 8}; }
  bool InDomain(const rocksdb::Slice& key) const override { return key.size() == 16; }
};

rocksdb::DBOptions database_options(rocksdb::Env* env) {
  rocksdb::DBOptions d;
  d.env = env;
  d.create_if_missing = d.create_missing_column_families = true;
  // The end that a power failure tore off is dropped, with everything behind it; that nothing else is dropped is seen
  // to by find_corrupt_wal() and by the sizes of finished logs in the manifest.
  d.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  d.track_and_verify_wals_in_manifest = true;
  d.paranoid_checks = true;
  d.max_total_wal_size = 64 * kMiB;
  d.max_background_jobs = 2;
  d.max_open_files = 256;
  d.max_file_opening_threads = 1;
  d.allow_concurrent_memtable_write = false;  // one thread writes
  d.enable_write_thread_adaptive_yield = false;
  d.avoid_flush_during_shutdown = true;
  d.max_bgerror_resume_count = 0;  // the engine opens the store again
  d.skip_stats_update_on_db_open = true;
  d.stats_dump_period_sec = d.stats_persist_period_sec = 0;
  d.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  d.keep_log_file_num = 2;
  d.max_log_file_size = kMiB;
  return d;
}

std::vector<rocksdb::ColumnFamilyDescriptor> family_options(const EmbeddedOptions& o) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(o.cache_bytes, 2);
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  auto compressions = rocksdb::GetSupportedCompressions();
  bool lz4 = std::find(compressions.begin(), compressions.end(), rocksdb::kLZ4Compression) != compressions.end();

  std::vector<rocksdb::ColumnFamilyDescriptor> all;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    rocksdb::ColumnFamilyOptions c;
    c.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    c.compression = lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
    c.level_compaction_dynamic_level_bytes = true;
    c.write_buffer_size = 4 * kMiB;
    c.arena_block_size = 64 * kKiB;
    if (static_cast<Family>(i) == Family::entries) {
      c.write_buffer_size = o.memtable_bytes;
      c.max_write_buffer_number = 4;
      c.arena_block_size = 256 * kKiB;
      // Where the last message of a log was inserted the next one follows. Not a list per log: one log that grows fast
      // then costs a hundred times as much.
      c.memtable_insert_with_hint_prefix_extractor = std::make_shared<LogOfEntry>();
    }
    all.emplace_back(kNames[i], c);
  }
  return all;
}

/// Makes the directory ours, or says why it is not.
std::string check_directory(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code e;
  if (fs::create_directories(path, e)) fs::permissions(path, fs::perms::owner_all, e);  // others' messages are in it
  if (e) return fmt::format("cannot make the store's directory {}: {}; make it, or set store.path", path, e.message());
  fs::path file = fs::path(path) / kFormatFile;
  std::ifstream in(file);
  if (in) {
    std::string name;
    int format = 0;
    if (!(in >> name >> format) || name != "signalbox")
      return fmt::format("{} is not a file of this program: set store.path to another directory", file.string());
    if (format > kDirectoryFormat)
      return fmt::format(
          "the store in {} has format {}, this version knows formats up to {}: run the newer version, or export the "
          "store there (signalbox store export) and import it here",
          path, format, kDirectoryFormat);
    return {};
  }
  if (fs::exists(file, e) || e)
    return fmt::format("cannot read {}: start as the user that owns {}, or set store.path", file.string(), path);
  if (fs::exists(fs::path(path) / "CURRENT", e))
    return fmt::format("{} holds a database that is not a store of this program: set store.path to another directory",
                       path);
  std::string text = fmt::format("signalbox {}\n", kDirectoryFormat);
  int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  bool ok = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (ok) return {};
  if (fd >= 0) fs::remove(file, e);
  return fmt::format("cannot write {}: make {} writable for this user, or set store.path", file.string(), path);
}

std::string explain(const rocksdb::Status& s, const std::string& path) {
  std::string text = s.ToString();
  if (text.find("While lock file") != std::string::npos || text.find("lock hold by") != std::string::npos)
    return fmt::format("the store in {} is in use by another process: stop it, or set store.path to another directory",
                       path);
  if (s.IsCorruption())
    return fmt::format(
        "the store in {} is damaged: {}; `signalbox store check {}` says what is lost; keep the rest with `signalbox "
        "store export` and `import`, or restore a backup",
        path, text, path);
  if (s.IsNoSpace()) return fmt::format("no space for the store in {}: {}; make room", path, text);
  return fmt::format("cannot open the store in {}: {}; look at it with `signalbox store check {}`", path, text, path);
}

}  // namespace

const char* to_string(Family f) { return f == Family::meta ? "meta" : kNames[static_cast<std::size_t>(f)]; }

rocksdb::ReadOptions reading_below(const rocksdb::Slice* end) {
  rocksdb::ReadOptions o;
  o.iterate_upper_bound = end;
  return o;
}

std::unique_ptr<Database> Database::open(const EmbeddedOptions& options, std::string& error) {
  error = check_directory(options.path);
  if (!error.empty()) return nullptr;
  if (std::string where = find_corrupt_wal(options.path); !where.empty()) {
    error = explain(rocksdb::Status::Corruption(where), options.path);
    return nullptr;
  }
  std::unique_ptr<Database> d(new Database(options.env));
  rocksdb::Status s = d->open_families(options);
  if (s.ok()) {
    bool existed = false;
    std::uint64_t concern = 0;
    s = d->read_meta(existed, concern);
    ++d->meta_.run;
    if (d->unclean_ && concern != static_cast<std::uint64_t>(WriteConcern::fsync)) d->meta_.forgot = d->meta_.run;
    if (s.ok()) s = d->begin_run(options.concern);
  }
  if (s.ok()) return d;
  error = explain(s, options.path);
  return nullptr;
}

rocksdb::Status Database::open_families(const EmbeddedOptions& options) {
  bool is_new = !std::filesystem::exists(std::filesystem::path(options.path) / "CURRENT");
  auto all = family_options(options);
  decltype(all) others(all.begin() + 1, all.end());
  if (is_new) all.resize(1);
  rocksdb::DB* db = nullptr;
  rocksdb::Status s = rocksdb::DB::Open(database_options(env_.get()), options.path, all, &families_, &db);
  if (s.ok()) db_.reset(db);
  if (!s.ok() || !is_new) return s;
  // All of them at once; opening would make them one by one, and write all options for each.
  std::vector<rocksdb::ColumnFamilyHandle*> made;
  s = db->CreateColumnFamilies(others, &made);
  families_.insert(families_.end(), made.begin(), made.end());
  return s;
}

std::unique_ptr<Database> Database::open_to_read(const std::string& path, std::string& error) {
  if (!std::filesystem::exists(std::filesystem::path(path) / kFormatFile)) {
    error = fmt::format("there is no store in {}", path);
    return nullptr;
  }
  error = check_directory(path);
  if (!error.empty()) return nullptr;
  EmbeddedOptions options;
  std::unique_ptr<Database> d(new Database(options.env));
  rocksdb::DB* db = nullptr;
  rocksdb::Status s =
      rocksdb::DB::OpenForReadOnly(database_options(d->env_.get()), path, family_options(options), &d->families_, &db);
  if (s.ok()) {
    d->db_.reset(db);
    bool existed = false;
    std::uint64_t concern = 0;
    s = d->read_meta(existed, concern);
  }
  if (s.ok()) return d;
  error = explain(s, path);
  return nullptr;
}

std::unique_ptr<Database> Database::create(const std::string& path, std::string& error) {
  if (std::filesystem::exists(std::filesystem::path(path) / kFormatFile)) {
    error = fmt::format("there is a store in {} already: choose another directory", path);
    return nullptr;
  }
  EmbeddedOptions options;
  options.path = path;
  error = check_directory(path);
  if (!error.empty()) return nullptr;
  std::unique_ptr<Database> d(new Database(options.env));
  rocksdb::Status s = d->open_families(options);
  if (s.ok()) return d;
  error = explain(s, path);
  return nullptr;
}

Database::Database(rocksdb::Env* env)
    : files_(std::make_shared<WalFiles>(env ? env->GetFileSystem() : rocksdb::FileSystem::Default())),
      env_(rocksdb::NewCompositeEnv(files_)) {}

rocksdb::Status Database::write(const rocksdb::WriteOptions& options, rocksdb::WriteBatch& batch) {
  rocksdb::Status s = batch.PutLogData(encode(files_->synced()));
  if (s.ok()) s = db_->Write(options, &batch);
  return s.ok() ? files_->error() : s;
}

Database::~Database() {
  for (auto* f : families_) db_->DestroyColumnFamilyHandle(f);
  if (db_) db_->Close().PermitUncheckedError();
}

rocksdb::ColumnFamilyHandle* Database::family(std::uint32_t id) {
  for (auto* f : families_)
    if (f->GetID() == id) return f;
  return nullptr;
}

rocksdb::Status Database::read_meta(bool& existed, std::uint64_t& concern) {
  rocksdb::Status bad;
  auto get = [&](std::string_view key, auto use) {
    std::string value;
    rocksdb::Status s = db_->Get({}, family(Family::meta), slice(key), &value);
    if (s.IsNotFound()) return false;
    Reader r(value);
    r.format();
    use(r);
    if (s.ok() && !r.done()) s = rocksdb::Status::Corruption(fmt::format("the record \"{}\" of the store", key));
    if (!s.ok()) bad = s;
    return true;
  };
  existed = get(kRun, [&](Reader& r) { meta_.run = r.number(); });
  get(kForgot, [&](Reader& r) { meta_.forgot = r.number(); });
  get(kConcern, [&](Reader& r) { concern = r.number(); });
  get(kSeen, [&](Reader& r) { meta_.seen = r.time(); });
  get(kCounts, [&](Reader& r) {
    meta_.counts.sessions = r.number();
    meta_.counts.retained = r.number();
    meta_.bytes_known = !r.done();
    if (meta_.bytes_known) meta_.counts.retained_bytes = r.number();
  });
  unclean_ = existed && !get(kClean, [](Reader&) {});
  return bad;
}

/// The new run's number has to be on the disk before anything that is made of it is used.
rocksdb::Status Database::begin_run(WriteConcern concern) {
  rocksdb::WriteBatch batch;
  auto put = [&](std::string_view key, std::uint64_t n) {
    std::string value(1, kFormat);
    Writer(value).number(n);
    return batch.Put(family(Family::meta), slice(key), value);
  };
  rocksdb::Status s = put(kRun, meta_.run);
  if (s.ok()) s = put(kForgot, meta_.forgot);
  if (s.ok()) s = put(kConcern, static_cast<std::uint64_t>(concern));
  if (s.ok()) s = batch.Delete(family(Family::meta), slice(kClean));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return s.ok() ? write(synced, batch) : s;
}

rocksdb::Status Database::close_clean() {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  std::string value(1, kFormat);
  rocksdb::WriteBatch batch;
  rocksdb::Status s = batch.Put(family(Family::meta), slice(kClean), value);
  return s.ok() ? write(synced, batch) : s;
}

rocksdb::Status Database::close_imported() {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  std::string value(1, kFormat);
  Writer(value).number(static_cast<std::uint64_t>(WriteConcern::none));
  rocksdb::WriteBatch batch;
  rocksdb::Status s = batch.Put(family(Family::meta), slice(kConcern), value);
  return s.ok() ? write(synced, batch) : s;
}

std::string Database::record_of(const Counts& c) {
  std::string value(1, kFormat);
  Writer(value).number(c.sessions).number(c.retained).number(c.retained_bytes);
  return value;
}

}  // namespace sb::store::embedded
