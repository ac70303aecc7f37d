// SPDX-License-Identifier: MIT
#include "store/embedded_engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "store/embedded_encoding.h"

namespace sb::store::embedded {
namespace {

constexpr Millis kTick{1000};
constexpr Seconds kSeenWhenIdle{30};  ///< how old the last time seen may be on the disk when nothing else is written

/// Adds the changes of one batch to another.
class Copier final : public rocksdb::WriteBatch::Handler {
 public:
  Copier(Database& d, rocksdb::WriteBatch& to) : database_(d), to_(to) {}
  rocksdb::Status PutCF(std::uint32_t f, const rocksdb::Slice& key, const rocksdb::Slice& value) override {
    return to_.Put(database_.family(f), key, value);
  }
  rocksdb::Status DeleteCF(std::uint32_t f, const rocksdb::Slice& key) override {
    return to_.Delete(database_.family(f), key);
  }

 private:
  Database& database_;
  rocksdb::WriteBatch& to_;
};

}  // namespace

EmbeddedEngine::EmbeddedEngine(const EmbeddedOptions& options)
    : options_(options), indexed_(rocksdb::BytewiseComparator(), 0, true) {}

EmbeddedEngine::~EmbeddedEngine() {
  sync_.reset();
  if (!loop_) return;
  for (Alarm* a : {&sync_alarm_, &retry_alarm_, &tick_alarm_}) loop_->timers().cancel(*a);
}

std::string EmbeddedEngine::open() {
  std::string error;
  database_ = Database::open(options_, error);
  if (!database_) return error;
  const Meta& m = database_->meta();
  counts = counts_written_ = m.counts;
  seen = seen_written_ = std::max(seen, m.seen);
  next_number_ = 1;
  failed_ = false;
  for (Part* p : parts_)
    if (error = p->load(); !error.empty() || failed_) break;
  if (failed_ && error.empty()) error = unavailable();
  if (!error.empty()) {
    database_.reset();
    return error;
  }
  synced_ = written_;
  up_ = true;
  return {};
}

void EmbeddedEngine::start(io::EventLoop& loop) {
  loop_ = &loop;
  sync_ = std::make_unique<SyncThread>(loop, [this](std::uint64_t upto, const rocksdb::Status& s) { synced(upto, s); });
  sync_alarm_.call = [this] { begin_sync(); };
  retry_alarm_.call = [this] { try_again(); };
  tick_alarm_.call = [this] { tick(); };
  loop.timers().set(tick_alarm_, loop.now() + kTick);
}

WallTime EmbeddedEngine::wall() const { return loop_ ? loop_->wall() : SystemClock().wall(); }

std::string EmbeddedEngine::unavailable() const {
  std::lock_guard lock(mutex_);
  return unavailable_;
}

void EmbeddedEngine::set_unavailable(std::string why) {
  std::lock_guard lock(mutex_);
  unavailable_ = std::move(why);
}

// ---------------------------------------------------------------- what the parts ask for

void EmbeddedEngine::put(Family f, std::string_view key, std::string_view value) {
  indexed_.Put(family(f), slice(key), slice(value)).PermitUncheckedError();
  ++indexed_count_;
}

void EmbeddedEngine::erase(Family f, std::string_view key) {
  indexed_.Delete(family(f), slice(key)).PermitUncheckedError();
  ++indexed_count_;
}

std::optional<std::string> EmbeddedEngine::get(Family f, std::string_view key) {
  std::string value;
  rocksdb::Status s = indexed_count_ ? indexed_.GetFromBatchAndDB(&db(), {}, family(f), slice(key), &value)
                                     : db().Get({}, family(f), slice(key), &value);
  if (s.ok()) return value;
  if (!s.IsNotFound()) fail(s.ToString());
  return {};
}

std::unique_ptr<rocksdb::Iterator> EmbeddedEngine::range(Family f, std::string_view from, const rocksdb::Slice* end) {
  rocksdb::ReadOptions options = reading_below(end);
  rocksdb::Iterator* it = db().NewIterator(options, family(f));
  if (indexed_count_) it = indexed_.NewIteratorWithBase(family(f), it, &options);
  it->Seek(slice(from));
  return std::unique_ptr<rocksdb::Iterator>(it);
}

void EmbeddedEngine::reply(std::unique_ptr<Reply> r) {
  r->needs = write_now();
  replies_.push_back(std::move(r));
  // Asked by a thread that is its own store thread (tests): there has to be a turn.
  if (loop_ && !loop_->in_turn()) loop_->post_fn([] {});
}

// ---------------------------------------------------------------- writing and answering

void EmbeddedEngine::on_requests_end() {
  asker_knows_ = true;
  if (up_ && (batch_.GetDataSize() > kBatchBytes || indexed_count_ > kBatchChanges)) commit();
}

bool EmbeddedEngine::on_turn_end() {
  while (up_) {
    commit();
    if (!up_ || prepared_ == replies_.size()) break;
    for (; up_ && prepared_ < replies_.size(); ++prepared_) replies_[prepared_]->prepare();
    // What was read may have led to changes: what has expired is removed.
  }
  plan_sync();
  give();
  return up_ && (dirty() || prepared_ < replies_.size());
}

void EmbeddedEngine::merge_indexed() {
  if (!indexed_count_) return;
  Copier copier(*database_, batch_);
  rocksdb::Status s = indexed_.GetWriteBatch()->Iterate(&copier);
  indexed_.Clear();
  indexed_count_ = 0;
  if (!s.ok()) fail(s.ToString());
}

void EmbeddedEngine::commit() {
  if (!dirty()) return;
  merge_indexed();
  auto* meta = family(Family::meta);
  if (counts != counts_written_) {
    batch_.Put(meta, slice(Database::kCounts), Database::record_of(counts)).PermitUncheckedError();
    counts_written_ = counts;
  }
  if (seen >= seen_written_ + Seconds(1)) put_seen();
  rocksdb::WriteOptions unsynced;
  rocksdb::Status s = database_->write(unsynced, batch_);
  if (batch_.GetDataSize() > 4 * kBatchBytes)
    batch_ = rocksdb::WriteBatch();  // one large turn does not keep its memory
  else
    batch_.Clear();
  if (!s.ok()) return fail(s.ToString());
  ++written_;
}

void EmbeddedEngine::put_seen() {
  std::string value(1, kFormat);
  Writer(value).time(seen);
  batch_.Put(family(Family::meta), slice(Database::kSeen), value).PermitUncheckedError();
  seen_written_ = seen;
}

/// Lets the disk have what was written: at once, or when the interval is over.
void EmbeddedEngine::plan_sync() {
  if (options_.concern == WriteConcern::fsync) begin_sync();
  if (options_.concern == WriteConcern::interval && up_ && sync_ && synced_ < written_ && !sync_alarm_.armed())
    loop_->timers().set(sync_alarm_, loop_->now() + options_.sync_interval);
}

void EmbeddedEngine::begin_sync() {
  if (up_ && sync_ && !sync_->busy() && synced_ < written_) sync_->begin(*database_, written_);
}

void EmbeddedEngine::synced(std::uint64_t upto, const rocksdb::Status& s) {
  if (!up_) return;
  if (!s.ok()) return fail("sync: " + s.ToString());
  synced_ = upto;
  plan_sync();
  give();
}

void EmbeddedEngine::give() {
  // An answer may lead to the next request, even at once.
  while (!replies_.empty() && (!up_ || (prepared_ > 0 && replies_.front()->needs <= safe()))) {
    std::unique_ptr<Reply> r = std::move(replies_.front());
    replies_.pop_front();
    if (prepared_ > 0) --prepared_;
    if (up_)
      r->give();
    else
      r->refuse();
  }
}

// ---------------------------------------------------------------- failure and recovery

void EmbeddedEngine::fail(const std::string& what) {
  if (failed_) return;
  failed_ = true;
  up_ = false;
  ++outages_;
  set_unavailable(what);
  log::error("store unavailable path={} reason=\"{}\"", options_.path, what);
  if (!loop_) return;  // it is not open yet: open() says so
  retry_ = options_.retry_min;
  loop_->timers().set(retry_alarm_, loop_->now() + retry_);
}

void EmbeddedEngine::try_again() {
  give();
  batch_.Clear();
  indexed_.Clear();
  indexed_count_ = 0;
  sync_->forget();
  database_.reset();
  std::string error = open();
  if (error.empty()) {
    set_unavailable({});
    log::warn("store available again path={}", options_.path);
    return;
  }
  failed_ = true;
  set_unavailable(error);
  retry_ = std::min(retry_ * 2, options_.retry_max);
  loop_->timers().set(retry_alarm_, loop_->now() + retry_);
}

void EmbeddedEngine::tick() {
  loop_->timers().set(tick_alarm_, loop_->now() + kTick);
  // A write says how far those before it were synced: what has lain there for a second shall not pass for a torn end.
  const bool unsaid = options_.concern != WriteConcern::none && told_ != written_ && !dirty();
  if (up_ && (unsaid || seen >= seen_written_ + kSeenWhenIdle)) {
    put_seen();
    told_ = written_ + 1;
  }
  for (std::size_t i = 0; up_ && i < parts_.size(); ++i) parts_[i]->on_tick();
}

void EmbeddedEngine::stop() {
  if (up_) {
    for (Part* p : parts_) p->before_close();
    on_turn_end();
  }
  if (up_) {
    sync_->forget();
    rocksdb::Status s = database_->sync();
    if (s.ok())
      synced_ = written_;
    else
      fail(s.ToString());
  }
  give();  // what an answer leads to now is not done any more
  if (up_)
    if (rocksdb::Status s = database_->close_clean(); !s.ok())
      log::warn("store not closed reason=\"{}\"", s.ToString());
  up_ = false;
  sync_.reset();
  for (Alarm* a : {&sync_alarm_, &retry_alarm_, &tick_alarm_}) loop_->timers().cancel(*a);
  give();
  database_.reset();
}

}  // namespace sb::store::embedded
