// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <boost/system/result.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "auth/breaker.h"
#include "auth/http_answer.h"
#include "base/log.h"
#include "http/client.h"
#include "mqtt/reason.h"

namespace sb::auth {

/// A URL that is asked about clients. Who does not answer in time, or not as it should, is asked no more for a while.
/// Threads: any.
class HttpBackEnd {
 public:
  struct Options {
    std::string key;  ///< of the configuration, for the log
    HttpAsked asked = HttpAsked::login;
    http::Url url;
    std::string ca_file;
    std::string token;  ///< for an Authorization header; "" = none
    Millis timeout{5000};
    std::size_t pending = 1000;  ///< requests that wait
    Breaker::Options breaker;
  };
  /// server_unavailable: there is no answer. server_busy: too many wait for one.
  using Outcome = boost::system::result<HttpAnswer, mqtt::Reason>;
  using Done = std::function<void(Outcome)>;
  struct Counts {
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;   ///< of these: without an answer that is one
    std::uint64_t refused = 0;  ///< not sent, as the back end has failed too often
    std::uint64_t busy = 0;     ///< not sent, as too many wait
  };

  /// On an error `why` says what is wrong with the file of authorities.
  static result<std::unique_ptr<HttpBackEnd>> make(http::ControlThread& thread, Options options, std::string& why);

  /// `body`: JSON, which is wiped. Calls `done` exactly once: before it returns, or on the control thread.
  void ask(std::string body, Done done);

  Counts counts() const;

 private:
  /// What answers need, which may come when this is gone.
  struct State {
    explicit State(Options o) : options(std::move(o)), breaker(options.breaker) {}
    Outcome judge(const result<http::Response>& r, Breaker::Permit permit);
    void failed(Breaker::Permit permit, const std::string& why);

    const Options options;
    std::mutex mutex;  ///< for the next two
    Breaker breaker;
    log::RateLimit failure_log;
    std::atomic<std::uint64_t> sent{0}, failures{0}, refused{0}, busy{0};
  };
  HttpBackEnd(Options options, std::unique_ptr<http::Client> client)
      : state_(std::make_shared<State>(std::move(options))), client_(std::move(client)) {}

  const std::shared_ptr<State> state_;
  const std::unique_ptr<http::Client> client_;
};

}  // namespace sb::auth
