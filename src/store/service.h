// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <thread>
#include <vector>

#include "io/event_loop.h"
#include "ports/log_store.h"
#include "ports/retained_store.h"
#include "ports/session_store.h"

namespace sb::store {

/// The stores of a node as they live on the store thread; any implementation of the ports.
struct Backend {
  std::unique_ptr<ports::LogStore> logs;
  std::unique_ptr<ports::SessionStore> sessions;
  std::unique_ptr<ports::RetainedStore> retained;
};

/// The store thread: one event loop that runs the stores for all shards.
class Service {
 public:
  explicit Service(Backend backend) : backend_(std::move(backend)) {}
  ~Service() { stop(); }
  void start();
  void stop();
  io::EventLoop& loop() { return loop_; }
  Backend& backend() { return backend_; }

 private:
  Backend backend_;
  io::EventLoop loop_;
  std::thread thread_;
};

/// The stores as one shard sees them: requests go to the store thread, answers and notices come back to the shard's
/// loop in order. One per shard; must outlive the Service's thread.
class ShardStores {
 public:
  ShardStores(Service& service, io::EventLoop& shard);
  ~ShardStores();
  ports::LogStore& logs();
  ports::SessionStore& sessions();
  ports::RetainedStore& retained();

 private:
  class Logs;
  class Sessions;
  class Retained;
  std::unique_ptr<Logs> logs_;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<Retained> retained_;
};

}  // namespace sb::store
