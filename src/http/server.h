// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "http/control_thread.h"
#include "http/host_rules.h"
#include "http/server_message.h"

namespace sb::http {

/// An HTTP/1.1 server for what is not hot: every connection has one request at a time, and everything has a bound. It
/// refuses by itself what is no request (400), is too large (413, 431), comes too slowly (408), is for another host or
/// from another site (400, 403), and what its handler does not answer in time (504).
/// Threads: any but the control thread.
class Server {
 public:
  struct Options {
    std::string host;  ///< address or name to listen on
    std::uint16_t port = 0;
    std::size_t connections = 64;  ///< at once; above, the one that has been idle longest goes, or newcomers wait
    std::uint32_t max_head = 8 * 1024;
    std::size_t max_body = 64 * 1024;
    Millis timeout{10'000};  ///< for a request from its first byte to its last, for the answer, and for sending that
    Millis idle{30'000};     ///< until a connection's next request
    HostRules hosts;
  };

  /// Listens; nobody is served before start().
  static result<std::unique_ptr<Server>> open(ControlThread& thread, Options options, ServerHandler handler);
  /// What is under way is cut off.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// "127.0.0.1:18083": the address in use, with the port that the system gave.
  const std::string& address() const;
  void start();
  /// For requests that come from now on.
  void set_hosts(HostRules hosts);
  /// Takes no new requests, and waits until those under way are answered, or `patience` is over. The handler is not
  /// called any more then.
  void stop(Millis patience);

 private:
  class Listener;
  explicit Server(std::shared_ptr<Listener> listener);
  const std::shared_ptr<Listener> listener_;
};

}  // namespace sb::http
