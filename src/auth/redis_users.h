// SPDX-License-Identifier: MIT
#pragma once
#include <boost/system/result.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "auth/breaker.h"
#include "auth/rights_document.h"
#include "auth/users.h"
#include "base/log.h"
#include "io/event_loop.h"
#include "mqtt/reason.h"
#include "redis/client.h"

namespace sb::auth {

/// What Redis says of one user. Immutable.
struct RedisUser {
  std::shared_ptr<const PasswordUsers> password;  ///< of this user alone; null = no password is right
  DocumentRights::Ptr rights;                     ///< never null
  bool disabled = false;

  /// From the values of the hash's fields `password`, `acl` and `disabled`. Null when none is there. What is wrong with
  /// one of them goes to `why`, and allows nothing.
  static std::shared_ptr<const RedisUser> read(std::string_view name, redis::Reply::View fields, std::string& why);
};

/// The users in Redis: a hash `<prefix>{u:NAME}` for each, in which braces and percent signs of NAME are
/// percent-encoded. Asks with one HMGET on a thread of its own, for equal names at the same time once; who does not
/// answer is asked no more for a while. Threads: any, but for stop().
class RedisUsers {
 public:
  struct Options {
    redis::Url url;
    std::shared_ptr<const io::TlsContext> tls;  ///< when `url.tls`
    std::string prefix = "sb:";
    Millis timeout{2000};
    std::size_t pending = 1000;  ///< questions that wait for an answer
    std::size_t cache = 10000;   ///< users that are remembered
    Breaker::Options breaker{5, Millis(1000)};
  };
  using User = std::shared_ptr<const RedisUser>;
  /// Null: there is no such user. server_unavailable: there is no answer. server_busy: too many wait for one.
  using Outcome = boost::system::result<User, mqtt::Reason>;
  using Done = std::function<void(const Outcome&)>;

  explicit RedisUsers(Options options);
  ~RedisUsers();
  RedisUsers(const RedisUsers&) = delete;
  RedisUsers& operator=(const RedisUsers&) = delete;

  /// Calls `done` exactly once: before it returns, or on the thread of this. What was heard at most `max_age` ago will
  /// do; that there is no such user is not remembered.
  void find(std::string_view name, Millis max_age, Done done);
  /// Calls `f` about once in `period`, on the thread of this. Once.
  void every(Millis period, std::function<void()> f);
  /// Answers what waits with server_unavailable, and ends the thread: behind it nothing is called any more. Not from
  /// within a call.
  void stop();

 private:
  struct Question {
    Breaker::Permit permit;
    std::vector<Done> waiting;
  };
  struct Known {
    User user;
    MonoTime heard;
  };
  class Ticker;

  std::optional<mqtt::Reason> refuse_or_wait(const std::string& name, Done& done, MonoTime now);
  void ask(const std::string& name);
  void answered(const std::string& name, redis::Outcome& o);
  void remember(const std::string& name, const User& user);
  void failed(Breaker::Permit permit, const std::string& why);

  const Options options_;
  std::mutex mutex_;  ///< for what follows, up to `stopping_`
  Breaker breaker_;
  std::unordered_map<std::string, Question> questions_;
  std::size_t waiting_ = 0;  ///< callers in all of questions_
  std::unordered_map<std::string, Known> known_;
  std::deque<std::string> oldest_;  ///< the names of known_, in the order in which they came
  log::RateLimit failure_log_, record_log_;
  bool stopping_ = false;

  io::EventLoop loop_;
  std::unique_ptr<Ticker> ticker_;         ///< the loop's thread
  std::unique_ptr<redis::Client> client_;  ///< the loop's thread
  std::thread thread_;
};

}  // namespace sb::auth
