// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/event_loop.h"

namespace sb::app {

/// Where the payloads come from: one that is repeated, or the lines of a file descriptor.
class PubSource {
 public:
  static PubSource repeated(std::string payload, std::uint64_t times);
  static PubSource lines(int fd);
  PubSource(PubSource&&) noexcept;
  ~PubSource();

  /// The next payload, null when there is none now. The same until take(). A line stands without its end.
  const std::string_view* next();
  void take();
  /// Nothing more will come.
  bool done();
  /// Not "": reading broke off, and why.
  const std::string& error() const { return error_; }

  /// `more` is called when next() may have something again after it had nothing.
  void watch(io::EventLoop& loop, std::function<void()> more);
  void unwatch(io::EventLoop& loop);

 private:
  struct Watcher;
  PubSource();
  void fill();

  std::string buffer_;        ///< the payload, or what was read and not yet taken
  std::size_t begin_ = 0;     ///< of the next line in it
  std::size_t searched_ = 0;  ///< no line end before here
  std::uint64_t times_ = 0;
  int fd_ = -1;
  bool end_ = false;       ///< of the input
  bool have_ = false;      ///< current_ is the next payload
  std::size_t after_ = 0;  ///< where the line behind it begins
  std::string_view current_;
  std::string error_;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace sb::app
