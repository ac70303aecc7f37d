// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <string>
#include <vector>

#include "broker/node.h"
#include "io/timers.h"
#include "net/acceptor.h"
#include "net/shard.h"

namespace sb::app {

/// Takes a node out of service: its listeners close, then its connections end, so many a second that who comes back
/// elsewhere does not come with all the others. And takes it into service again. Owner: the loop of the first shard.
class Drain final : private io::Timer {
 public:
  /// A listener with its name for messages.
  struct Listener {
    std::string key;  ///< "listeners.mqtt"
    net::Acceptor* acceptor;
  };
  Drain(broker::Node& node, std::vector<net::Shard*> shards, std::vector<Listener> listeners);
  ~Drain() { loop_.timers().cancel(*this); }

  /// `rate`: connections a second. While it drains already: at this rate from now on.
  void begin(double rate);
  /// Listens again; connections that are not gone stay. When a listener cannot be opened all stays as it is, and the
  /// answer says why.
  std::string end();

  // --- any thread
  bool on() const { return on_.load(std::memory_order_relaxed); }
  std::size_t connections() const;

 private:
  static constexpr Millis kStep{10}, kLook{1000};  ///< while there are connections, and when there are none
  static constexpr double kBurst = 0.1;            ///< seconds that may be made up for after a long turn
  void on_timer() override;

  broker::Node& node_;
  const std::vector<net::Shard*> shards_;
  const std::vector<Listener> listeners_;
  io::EventLoop& loop_;
  std::atomic<bool> on_{false};
  double rate_ = 0, due_ = 0;  ///< connections a second; that should have ended by now and have not
  MonoTime last_{};
};

}  // namespace sb::app
