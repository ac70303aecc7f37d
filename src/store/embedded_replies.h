// SPDX-License-Identifier: MIT
#pragma once
#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "base/result.h"
#include "ports/errc.h"

namespace sb::store::embedded {

/// The answer to one request, until it may be given.
class Reply {
 public:
  virtual ~Reply() = default;
  /// What was asked before is written: reads what is to be read.
  virtual void prepare() {}
  virtual void give() = 0;
  virtual void refuse() = 0;
  std::uint64_t needs = 0;  ///< number of the write that has to be safe before
};

/// An answer that is known when it is asked for.
template <class T>
class ReadyReply final : public Reply {
 public:
  using Done = std::function<void(result<T>)>;
  ReadyReply(Done done, result<T> value) : done_(std::move(done)), value_(std::move(value)) {}
  void give() override { done_(std::move(value_)); }
  void refuse() override { done_(make_error_code(ports::errc::unavailable)); }

 private:
  Done done_;
  result<T> value_;
};

/// An answer that is read when everything that was asked before is written.
template <class T>
class ReadReply final : public Reply {
 public:
  using Done = std::function<void(result<T>)>;
  using Read = absl::AnyInvocable<result<T>()>;
  ReadReply(Done done, Read read) : done_(std::move(done)), read_(std::move(read)) {}
  void prepare() override { value_ = read_(); }
  void give() override { done_(std::move(value_)); }
  void refuse() override { done_(make_error_code(ports::errc::unavailable)); }

 private:
  Done done_;
  Read read_;
  result<T> value_ = make_error_code(ports::errc::unavailable);
};

}  // namespace sb::store::embedded
