// SPDX-License-Identifier: MIT
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "io/event_loop.h"
#include "store/embedded_database.h"

namespace sb::store::embedded {

/// The thread that waits for the disk, one sync at a time. Owner: the store thread.
class SyncThread {
 public:
  /// Called on the thread of the loop; `upto` as it was given.
  using Done = std::function<void(std::uint64_t upto, const rocksdb::Status& status)>;
  SyncThread(io::EventLoop& loop, Done done);
  ~SyncThread();
  /// Begins a sync; not while busy().
  void begin(Database& database, std::uint64_t upto);
  /// From begin() until its Done was called, or forget().
  bool busy() const { return busy_; }
  /// Waits for the sync that is under way; its Done is not called any more.
  void forget();

 private:
  void run();
  io::EventLoop& loop_;
  const Done done_;
  bool busy_ = false;
  /// Of the sync whose Done is awaited; what is in the loop's mailbox may outlive this object.
  std::shared_ptr<std::uint64_t> ticket_ = std::make_shared<std::uint64_t>(0);

  std::mutex mutex_;
  std::condition_variable changed_;
  Database* database_ = nullptr;  ///< to be synced
  std::uint64_t upto_ = 0, ticket_given_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace sb::store::embedded
