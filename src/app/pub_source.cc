// SPDX-License-Identifier: MIT
#include "app/pub_source.h"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sb::app {
namespace {
constexpr std::size_t kRead = 64 * 1024;
}

struct PubSource::Watcher final : io::EventHandler {
  void on_events(std::uint32_t) override { more(); }
  std::function<void()> more;
};

PubSource::PubSource() = default;
PubSource::PubSource(PubSource&&) noexcept = default;
PubSource::~PubSource() = default;

PubSource PubSource::repeated(std::string payload, std::uint64_t times) {
  PubSource s;
  s.buffer_ = std::move(payload);
  s.times_ = times;
  return s;
}

PubSource PubSource::lines(int fd) {
  PubSource s;
  s.fd_ = fd;
  return s;
}

const std::string_view* PubSource::next() {
  if (fd_ < 0) {
    current_ = buffer_;
    return times_ > 0 ? &current_ : nullptr;
  }
  if (have_) return &current_;
  for (;;) {
    std::size_t at = buffer_.find('\n', searched_);
    bool last = at == std::string::npos && end_ && begin_ < buffer_.size();  // a last line without its end
    if (at != std::string::npos || last) {
      std::size_t end = last ? buffer_.size() : at;
      after_ = last ? end : end + 1;
      current_ = std::string_view(buffer_).substr(begin_, end - begin_);
      have_ = true;
      return &current_;
    }
    searched_ = buffer_.size();
    if (end_) return nullptr;
    std::size_t before = buffer_.size() - begin_;
    fill();
    if (buffer_.size() - begin_ == before && !end_) return nullptr;  // nothing there now
  }
}

void PubSource::take() {
  if (fd_ < 0) {
    --times_;
    return;
  }
  have_ = false;
  begin_ = searched_ = after_;
}

bool PubSource::done() { return fd_ < 0 ? times_ == 0 : !next() && end_; }

/// Reads what is there, without waiting. The descriptor stays blocking: it may be shared with other programs.
void PubSource::fill() {
  pollfd p{fd_, POLLIN, 0};
  if (::poll(&p, 1, 0) <= 0) return;
  buffer_.erase(0, begin_);
  searched_ -= begin_;
  begin_ = 0;
  std::size_t size = buffer_.size();
  buffer_.resize(size + kRead);
  ssize_t n;
  do n = ::read(fd_, buffer_.data() + size, kRead);
  while (n < 0 && errno == EINTR);
  buffer_.resize(size + (n > 0 ? static_cast<std::size_t>(n) : 0));
  if (n < 0) error_ = std::string("cannot read standard input: ") + std::strerror(errno);
  if (n <= 0) end_ = true;
}

void PubSource::watch(io::EventLoop& loop, std::function<void()> more) {
  if (fd_ < 0) return;
  watcher_ = std::make_unique<Watcher>();
  watcher_->more = std::move(more);
  loop.add(fd_, EPOLLIN, watcher_.get());  // EPERM for a file, which always has something
}

void PubSource::unwatch(io::EventLoop& loop) {
  if (fd_ < 0) return;
  loop.remove(fd_);
  watcher_.reset();
}

}  // namespace sb::app
