// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "http/control_thread.h"
#include "http/errc.h"
#include "http/message.h"
#include "http/url.h"

namespace sb::http {

/// Asks one server over HTTP/1.1, with or without TLS, on connections that are kept for the next request. Redirects are
/// not followed. Threads: any, also for the destructor.
class Client {
 public:
  struct Options {
    Url server;           ///< without its target
    std::string ca_file;  ///< PEM, who may vouch for the server; "" = whom the operating system trusts
    std::size_t connections = 16;
    std::size_t waiting = 1000;          ///< requests that wait for a connection; above: errc::busy
    std::size_t max_body = 64 * 1024;    ///< bytes of an answer; above: an error
    std::size_t max_header = 16 * 1024;  ///< bytes
    Millis idle{30'000};                 ///< connections that were not used for longer are not used again
  };

  /// On an error `why` names the file of authorities.
  static result<std::unique_ptr<Client>> make(ControlThread& thread, Options options, std::string& why);
  /// What is under way is answered with errc::closed.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Calls `done` exactly once: on the control thread, or before it returns when too many wait.
  void post(Request request, Done done);

 private:
  class Pool;
  explicit Client(std::shared_ptr<Pool> pool);
  const std::shared_ptr<Pool> pool_;
};

}  // namespace sb::http
