// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "channel/counters.h"
#include "io/event_loop.h"
#include "net/listener_context.h"
#include "net/peer_address.h"

namespace sb::net {

class Shard;

/// A listening socket. Lives on one shard's loop and hands each connection to the shard that has the fewest.
class Acceptor final : public io::EventHandler, public io::Timer {
 public:
  /// Binds and listens; an error names nothing, the caller knows the address.
  static result<std::unique_ptr<Acceptor>> open(const ListenerOptions& o);
  ~Acceptor();

  /// "127.0.0.1:1883", "[::1]:1883", "unix:/run/sb.sock": the address in use, with the port that the system gave.
  const std::string& address() const { return address_; }
  ListenerContext& context() { return context_; }

  /// On the loop of `home`, before or while it runs. `bound`: connections that the node takes at most; `total`: counts
  /// them.
  void start(Shard& home, std::vector<Shard*> shards, std::size_t bound);
  /// On the loop of its home: no more connections.
  void close();
  /// On the loop of its home, after close(): listens again where it did, on the same port. Until resume() connections
  /// wait in the system's queue, and close() takes it back.
  error_code reopen();
  error_code resume();
  bool is_open() const { return open_.load(std::memory_order_relaxed); }  ///< any thread

  void on_events(std::uint32_t events) override;
  void on_timer() override { on_events(0); }

 private:
  explicit Acceptor(const ListenerOptions& o) : context_(o) {}
  error_code listen();
  void shut();
  using Counter = channel::Counter channel::Counters::*;
  void refuse(int fd, const PeerAddress& peer, Counter counter, std::string_view why);
  bool let_in(int fd, const PeerAddress& peer);
  Shard* least_loaded(std::size_t& all);
  int fd_ = -1;
  std::atomic<bool> open_{false};
  std::string address_;
  ListenerOptions place_;  ///< of it only where to listen
  ListenerContext context_;
  Shard* home_ = nullptr;
  std::vector<Shard*> shards_;
  std::size_t next_ = 0;
  std::size_t bound_ = 0;
  log::RateLimit log_limit_;  ///< of accept's errors
};

}  // namespace sb::net
