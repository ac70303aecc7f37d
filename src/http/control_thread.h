// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/time.h"

namespace boost::asio {
class io_context;
}

namespace sb::http {

/// The thread of what is not hot: HTTP and what hangs on it, on Boost.Asio. It must outlive who uses it.
class ControlThread {
 public:
  /// Something with operations under way that others wait for.
  class Work {
   public:
    virtual ~Work() = default;
    /// On the control thread: answers them all, and takes no more.
    virtual void stop() = 0;
  };

  ControlThread();
  /// Stops what was added. Not from its own thread.
  ~ControlThread();
  ControlThread(const ControlThread&) = delete;
  ControlThread& operator=(const ControlThread&) = delete;

  /// Threads: any.
  void add(const std::shared_ptr<Work>& work);
  /// Calls `f` on this thread again and again, until the thread ends.
  void every(Millis interval, std::function<void()> f);
  boost::asio::io_context& io() { return *io_; }

 private:
  const std::unique_ptr<boost::asio::io_context> io_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<Work>> work_;
  std::thread thread_;
};

}  // namespace sb::http
