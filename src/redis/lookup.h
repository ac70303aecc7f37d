// SPDX-License-Identifier: MIT
#pragma once
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <vector>

#include "io/event_loop.h"
#include "redis/url.h"

namespace sb::redis {

/// One address of a socket.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// Finds the addresses of an endpoint. The system's resolver may take many seconds, so names are asked for on a thread
/// of their own; nobody waits for it, not even at the end. Owner: the loop's thread.
class Lookup {
 public:
  /// Empty: there is none.
  using Done = std::function<void(std::vector<Address>)>;

  Lookup(io::EventLoop& loop, Done done) : loop_(loop), done_(std::move(done)) {}
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  /// Calls `done` later, or before it returns when the endpoint has an IP address or a path. While an answer is
  /// awaited, also after cancel(), that one is used: a slow resolver has one thread of us at a time.
  void start(const Endpoint& endpoint);
  /// Nobody wants to know now.
  void cancel() { wanted_ = false; }

 private:
  struct Request;
  void answered(std::vector<Address> addresses);

  io::EventLoop& loop_;
  Done done_;
  bool wanted_ = false;
  std::shared_ptr<Request> request_;  ///< under way
};

}  // namespace sb::redis
