// SPDX-License-Identifier: MIT
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "client/connection.h"

namespace sb::client {
namespace {

constexpr int kReadsPerTurn = 4;              // of kReadSize each, then the others have their turn
constexpr std::size_t kKeptTail = 64 * 1024;  // bytes of memory that an idle connection keeps for cut packets
error_code last_error() { return {errno, boost::system::system_category()}; }

}  // namespace

void Connection::on_events(std::uint32_t events) {
  if (fd_ < 0) return;  // closed in this turn
  if (state_ == State::connecting) {
    if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
    on_connect_result();
    if (fd_ < 0 || state_ == State::connecting) return;
  }
  if (blocked_ && events & EPOLLOUT) {
    blocked_ = false;
    mark();
  }
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) end_seen_ = true;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) read();
}

void Connection::read() {
  more_to_read_ = false;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    ssize_t n = ::recv(fd_, hub_.wire(), Hub::kReadSize, 0);
    if (n == 0) return end_of_input();
    if (n < 0) {
      if (errno == EAGAIN) return;
      if (errno == EINTR) continue;
      return fail(last_error());
    }
    auto size = static_cast<std::size_t>(n);
    if (state_ == State::up || state_ == State::layers) {  // else: bytes after the end
      if (transport_) {
        transport_->input(hub_.wire(), size, hub_.plain(), Hub::kReadSize, *this);
        check_layers();
      } else {
        on_plain(hub_.wire(), size);
      }
    }
    if (fd_ < 0 || (size < Hub::kReadSize && !end_seen_)) return;
  }
  more_to_read_ = true;
  mark();
}

void Connection::on_plain(char* data, std::size_t n) {
  if (state_ == State::layers)
    layers_ready();  // the answer to CONNECT may come with the end of a handshake, never before
  if (state_ != State::up) return;
  if (!tail_.empty()) {
    if (tail_.size() > Hub::kHeadroom) {  // a large packet is growing
      tail_.append(data, n);
      tail_.erase(0, engine_.received(tail_));
      if (tail_.empty() && tail_.capacity() > kKeptTail) std::string().swap(tail_);
      return;
    }
    data -= tail_.size();
    n += tail_.size();
    std::memcpy(data, tail_.data(), tail_.size());
    tail_.clear();
  }
  std::size_t used = engine_.received({data, n});
  if (used < n && state_ == State::up) tail_.assign(data + used, n - used);
}

/// What the layers have come to, after input.
void Connection::check_layers() {
  if (!transport_) return;
  switch (transport_->status()) {
    case Transport::Status::failed: {
      send_all(transport_->wire());  // the alert for the other side
      std::string detail = transport_ ? transport_->detail() : "";
      return fail(transport_ ? transport_->error() : make_error_code(errc::connection_closed), std::move(detail));
    }
    case Transport::Status::closed:
      return end_of_input();
    case Transport::Status::open:
      if (state_ == State::layers) layers_ready();
      break;
    case Transport::Status::handshake:
      break;
  }
  if (!transport_->wire().empty()) mark();
}

void Connection::end_of_input() {
  if (state_ == State::lingering) {
    state_ = State::stopping;
    close_socket();
    return mark();
  }
  if (state_ == State::stopping) return close_socket();
  fail(make_error_code(errc::connection_closed));
}

void Connection::visit() {
  marked_ = false;
  if (more_to_read_ && fd_ >= 0) read();
  if (fd_ >= 0) flush();
  if (state_ == State::stopping && fd_ < 0) return finish();
  if (state_ == State::up) engine_.drained();
}

void Connection::flush() {
  if (transport_) {
    if (transport_->status() == Transport::Status::open) transport_->output(out_);
    if (!send_all(transport_->wire())) return;
  } else if (!send_all(out_)) {
    return;
  }
  // Everything is out.
  if (state_ != State::stopping) return;
  if (!ending_.code) return begin_linger();
  close_socket();
}

/// False when something is left to be sent, or the socket failed.
bool Connection::send_all(OutBuffer& from) {
  constexpr int kPieces = 32;
  iovec pieces[kPieces];
  while (!from.empty()) {
    if (blocked_) return false;
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = static_cast<std::size_t>(from.peek(pieces, kPieces));
    ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n >= 0) {
      from.consume(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      blocked_ = true;
    } else if (errno != EINTR) {
      // What the broker said before it closed is worth more than EPIPE: read() finds it, or the end.
      error_code e = last_error();
      if (state_ == State::up) read();
      if (fd_ >= 0) fail(e);
      return false;
    }
  }
  return true;
}

}  // namespace sb::client
