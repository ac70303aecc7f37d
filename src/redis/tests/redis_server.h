// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "redis/url.h"

struct redisContext;

namespace sb::redis::testing {

/// Two ports next to each other's cluster ports that nobody has: `port` and `port + 10000`, below the range from which
/// the system gives out ports.
std::uint16_t free_port();

/// A redis-server of a test, on 127.0.0.1 and a Unix socket, with its files in a directory of its own; it ends with
/// the test.
class RedisServer {
 public:
  static bool available();

  /// Starts it and waits until it answers. `options`: words of its command line ("--requirepass", "secret").
  explicit RedisServer(std::vector<std::string> options = {}, bool sentinel = false);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string unix_path() const { return dir_ + "/socket"; }
  Endpoint endpoint() const { return {"127.0.0.1", port_, ""}; }
  const std::string& directory() const { return dir_; }

  void pause();
  void resume();
  /// SIGKILL.
  void kill();
  /// Again with the same port and files.
  void start();

  /// A command by hiredis's own client, which waits for the answer: as text, arrays with a line for each element,
  /// errors with "-" before them, "" for nil and for no answer.
  std::string ask(std::vector<std::string> words);

 private:
  std::vector<std::string> command_;
  std::string dir_, password_;
  std::uint16_t port_;
  int pid_ = -1;
};

}  // namespace sb::redis::testing

/// In tests that need one.
#define NEEDS_REDIS()                                         \
  if (!::sb::redis::testing::RedisServer::available()) {      \
    GTEST_SKIP() << "needs the program redis-server in PATH"; \
  }
