// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "auth/answer_cache.h"
#include "auth/http_back_end.h"
#include "auth/method.h"

namespace sb::auth {

/// Asks an HTTP back end who a client is that shows a user name or a password:
///   {"client_id": "c1", "username": "ada", "password": "...", "peer": "192.0.2.1:4711"}     null for what was not
///   shown
/// and remembers its answers, by a MAC of what was shown and of the peer's address without its port. A password that is
/// not text is wrong: JSON could not carry it. Threads: any.
class HttpMethod final : public Method {
 public:
  struct Options {
    Millis cache{60'000};      ///< how long answers are remembered that do not say it themselves
    std::size_t size = 10000;  ///< how many that let somebody in, and as many others
  };

  HttpMethod(std::unique_ptr<HttpBackEnd> back_end, Options options)
      : back_end_(std::move(back_end)), memory_(std::make_shared<Memory>(options)) {}

  void ask(const ports::Credentials& who, bool last, Done done) override;

  std::uint64_t remembered() const { return memory_->hits; }  ///< clients for whom nobody was asked
  const HttpBackEnd& back_end() const { return *back_end_; }

 private:
  struct Remembered {
    Answer decision;
  };
  /// Guessing fills the one cache, and does not drive out what is in the other. What answers need, which may come when
  /// the method is gone.
  struct Memory {
    explicit Memory(Options o) : options(o), let_in(o.size, o.cache), others(o.size, o.cache) {}
    bool find(const ShownKey& key, Answer& to);
    void add(const ShownKey& key, const HttpAnswer& a, const Answer& decision);

    const Options options;
    const ShownKeys keys;
    std::mutex mutex;  ///< for the caches
    AnswerCache<Remembered> let_in, others;
    std::atomic<std::uint64_t> hits{0};
  };

  const std::unique_ptr<HttpBackEnd> back_end_;
  const std::shared_ptr<Memory> memory_;
};

}  // namespace sb::auth
