// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace sb::auth {

/// Stops asking a back end that does not answer, so that clients are refused at once instead of after a timeout, and a
/// back end that struggles is left alone.
///
///   closed     every request may go; `failures` of them in a row that fail open it
///   open       none may, for `retry_after`
///   half open  one may, the probe: closed again if it succeeds, open again if not
///
/// Threads: the owner locks.
class Breaker {
 public:
  struct Options {
    std::uint32_t failures = 5;
    Millis retry_after{10'000};
  };
  /// For one request, of which exactly one of succeeded(), failed() and cancelled() must be told.
  class Permit {
    friend class Breaker;
    explicit Permit(std::uint64_t period) : period_(period) {}
    std::uint64_t period_;
  };

  explicit Breaker(Options options) : options_(options) {}

  /// Nothing = no request now.
  std::optional<Permit> ask(MonoTime now);
  /// True when this closed it.
  bool succeeded(Permit p);
  /// True when this opened it.
  bool failed(Permit p, MonoTime now);
  /// It was not sent after all.
  void cancelled(Permit p);

  bool is_open() const { return open_; }

 private:
  Options options_;
  bool open_ = false;     ///< or half open
  bool probing_ = false;  ///< half open, and the probe is under way
  std::uint32_t failures_ = 0;
  MonoTime probe_at_{};
  /// Counts openings. Requests from before one say nothing about the back end of now: they are not heard.
  std::uint64_t period_ = 0;
};

}  // namespace sb::auth
