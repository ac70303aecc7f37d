// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/event_loop.h"
#include "ports/log_store.h"
#include "ports/retained_store.h"
#include "ports/session_store.h"

namespace sb::store {

/// What an implementation that does not answer at once does on the store thread. Its turn end comes when everything
/// that was in the mailbox has been asked.
class Engine : public io::Turn {
 public:
  virtual ~Engine() = default;
  /// From here on the stores are asked, on the thread of `loop`.
  virtual void start(io::EventLoop& loop) = 0;
  /// What one shard asked within one turn is complete.
  virtual void on_requests_end() = 0;
  /// How often everything began to be refused. Store thread.
  virtual std::uint64_t outages() const = 0;
  /// What follows, up to on_requests_end(), was asked by somebody who knew of so many outages. Who does not know of the
  /// last one takes for stored what was refused: it is refused as well. Store thread.
  virtual void asked_knowing(std::uint64_t outages) = 0;
  /// On the store thread: calls `done` when what was asked is done and answered, as far as that does not take too long.
  virtual void drain(std::function<void()> done) { done(); }
  /// On the store thread: does and answers what was asked; nothing is asked behind it.
  virtual void stop() = 0;
  /// Any thread: why requests are refused at present, "" when they are not.
  virtual std::string unavailable() const = 0;
};

/// The stores of a node as they live on the store thread; any implementation of the ports.
struct Backend {
  std::unique_ptr<Engine> engine;  ///< null: none is needed
  std::shared_ptr<void> cluster;   ///< what the stores tell other nodes with, and needs the engine
  std::unique_ptr<ports::LogStore> logs;
  std::unique_ptr<ports::SessionStore> sessions;
  std::unique_ptr<ports::RetainedStore> retained;
};

/// The store thread: one event loop that runs the stores for all shards.
class Service {
 public:
  explicit Service(Backend backend);
  /// For stores that live on the store thread's loop from the beginning: open() makes them.
  Service() = default;
  /// Once: `make(loop, backend)` on the calling thread. Returns what it returns, "" when there are stores now.
  std::string open(const std::function<std::string(io::EventLoop&, Backend&)>& make);
  ~Service() { stop(); }
  void start();
  void stop();
  io::EventLoop& loop() { return loop_; }
  Backend& backend() { return backend_; }

 private:
  void begin();

  io::EventLoop loop_;
  Backend backend_;
  std::thread thread_;
};

/// The stores as one shard sees them: requests go to the store thread, answers and notices come back to the shard's
/// loop in order. What is asked within a turn of the shard goes there in one piece. One per shard; must outlive the
/// Service's thread.
class ShardStores {
 public:
  ShardStores(Service& service, io::EventLoop& shard);
  ~ShardStores();
  ports::LogStore& logs();
  ports::SessionStore& sessions();
  ports::RetainedStore& retained();

 private:
  struct Bridge;
  class Logs;
  class Sessions;
  class Retained;
  std::unique_ptr<Bridge> bridge_;
  std::unique_ptr<Logs> logs_;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<Retained> retained_;
};

}  // namespace sb::store
