// SPDX-License-Identifier: MIT
#include "store/embedded_sync.h"

namespace sb::store::embedded {

SyncThread::SyncThread(io::EventLoop& loop, Done done) : loop_(loop), done_(std::move(done)) {
  thread_ = std::thread([this] { run(); });
}

SyncThread::~SyncThread() {
  ++*ticket_;
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SyncThread::begin(Database& database, std::uint64_t upto) {
  busy_ = true;
  {
    std::lock_guard lock(mutex_);
    database_ = &database;
    upto_ = upto;
    ticket_given_ = ++*ticket_;
  }
  changed_.notify_all();
}

void SyncThread::forget() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return database_ == nullptr; });
  ++*ticket_;
  busy_ = false;
}

void SyncThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || database_; });
    if (!database_) return;
    lock.unlock();
    rocksdb::Status status = database_->sync();
    lock.lock();
    database_ = nullptr;
    changed_.notify_all();
    loop_.post_fn([this, upto = upto_, given = ticket_given_, ticket = ticket_, status] {
      if (given != *ticket) return;
      busy_ = false;
      done_(upto, status);
    });
  }
}

}  // namespace sb::store::embedded
