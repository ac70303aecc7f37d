// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "broker/core.h"
#include "io/event_loop.h"
#include "net/connection.h"
#include "net/newcomers.h"

namespace sb::net {

/// What belongs together on one event loop: the loop, the broker's core on it, its connections. Its owner is the thread
/// that runs the loop; that may be another one from turn to turn (io::LoopThreads).
class Shard final : private io::Turn {
 public:
  static constexpr std::size_t kHeadroom = 8 * 1024;  ///< bytes in front of what is received, for a cut packet's start
  static constexpr std::size_t kNewcomerBytes = 4 * 1024;  ///< kept for a half-open connection, on average
  static constexpr std::size_t kReadChunk = 256 * 1024;    ///< bytes that one read may bring

  Shard();
  ~Shard();
  /// Before start(): the core that runs here.
  void set_core(std::unique_ptr<broker::Core> core) { core_ = std::move(core); }
  /// Connections without a complete CONNECT; above, the oldest of them is closed. 0 = no bound.
  void set_half_open_bound(std::size_t n) { half_open_bound_ = n; }
  /// Before the loop runs.
  void start();

  io::EventLoop& loop() { return loop_; }
  broker::Core& core() { return *core_; }
  std::size_t load() const { return load_.load(std::memory_order_relaxed); }  ///< connections; any thread

  /// Any thread: a new connection for this shard.
  void hand_over(int fd, ListenerContext& listener, const PeerAddress& peer);
  /// Own thread.
  void adopt(int fd, ListenerContext& listener, const PeerAddress& peer);

  /// Own thread: ends `n` connections, telling clients why where their version can say it; fewer when there are no
  /// more, or many that are ending already stand in the way. Called until load() is 0 it ends all.
  void shut_down_some(mqtt::Reason reason, std::size_t n);

  // --- for its connections
  void want_flush(Connection* c) {
    if (c->in_dirty_list) return;
    c->in_dirty_list = true;
    dirty_.push_back(c);
  }
  /// A connection that is no client yet was refused.
  void refused(const std::string& peer, std::string_view why);
  /// Closes the oldest of those for which something is kept while it is too much, the one that asks perhaps.
  void bound_newcomers();
  Newcomers& newcomers() { return newcomers_; }
  void want_read(Connection* c) {
    if (c->in_ready_list) return;
    c->in_ready_list = true;
    ready_.push_back(c);
  }
  char* read_buffer() { return buffer_.get() + kHeadroom; }
  char* plain_buffer();  ///< a second one, for decrypted bytes; same sizes

 private:
  class Tick;
  void on_turn_begin() override {
    core_->on_turn_begin();
    newcomers_.new_turn();
  }
  void on_events_done() override { core_->on_turn_end(); }
  bool on_turn_end() override;

  io::EventLoop loop_;
  std::unique_ptr<broker::Core> core_;
  std::vector<Connection*> connections_;  ///< all; a connection knows its place
  std::size_t next_to_end_ = 0;           ///< place where shut_down_some goes on
  std::vector<Connection*> dirty_, ready_, dead_, working_;
  Newcomers newcomers_;
  std::size_t half_open_bound_ = 0;
  std::unique_ptr<char[]> buffer_, plain_;
  std::unique_ptr<Tick> tick_;
  std::atomic<std::size_t> load_{0};
};

}  // namespace sb::net
