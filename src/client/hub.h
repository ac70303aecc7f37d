// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "io/event_loop.h"

namespace sb::client {

class Connection;

/// What the client connections of one thread share: the loop, the buffers that they read into, and the list
/// of those that have something to send. Output is sent once per connection and turn. Owner: the loop's
/// thread; outlives its connections.
class Hub final : public io::Turn {
 public:
  /// Writable bytes in front of each buffer: the rest of a packet is put there, so that packets are whole in
  /// memory.
  static constexpr std::size_t kHeadroom = 16 * 1024;
  static constexpr std::size_t kReadSize = 256 * 1024;

  /// Becomes the turn end of `loop`. Another turn end may be put there, which then calls on_turn_end().
  explicit Hub(io::EventLoop& loop);
  ~Hub();

  /// Sends what is queued. True when there is more to do at once.
  bool on_turn_end() override;

  io::EventLoop& loop() { return loop_; }

 private:
  friend class Connection;
  void mark(Connection* c) { marked_.push_back(c); }
  void forget(Connection* c);
  char* wire() { return wire_.get() + kHeadroom; }    ///< kReadSize bytes as received
  char* plain() { return plain_.get() + kHeadroom; }  ///< kReadSize bytes, deciphered

  io::EventLoop& loop_;
  std::unique_ptr<char[]> wire_, plain_;
  std::vector<Connection*> marked_, visiting_;
};

}  // namespace sb::client
