// SPDX-License-Identifier: MIT
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <memory>

#include "redis/connection.h"

namespace sb::redis {
namespace {

constexpr std::size_t kReadSize = 64 * 1024;
constexpr int kReadsPerTurn = 8;                // then the others have their turn
constexpr std::size_t kWireBytes = 256 * 1024;  // encrypted ahead of the socket

error_code last_error() { return {errno, boost::system::system_category()}; }

char* ciphertext_buffer() {
  thread_local const std::unique_ptr<char[]> buffer(new char[kReadSize]);
  return buffer.get();
}

}  // namespace

io::TlsOutput Connection::into_wire() {
  return {[](void* to, const char* data, std::size_t n) { static_cast<OutBuffer*>(to)->append({data, n}); }, &wire_};
}

void Connection::on_events(std::uint32_t events) {
  if (fd_ < 0) return;  // closed in this turn
  if (connecting_) {
    if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
    on_connect_result();
  }
  if (events & EPOLLOUT) blocked_ = false;
  if (fd_ >= 0 && !connecting_) read(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
  mark();
  rearm();
}

/// `end`: the socket's end was announced. That is not said again, so it is read up to there.
void Connection::read(bool end) {
  const std::uint64_t socket = socket_id_;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    char* to = tls_ ? ciphertext_buffer() : reader_.prepare(kReadSize);
    const ssize_t n = ::recv(fd_, to, kReadSize, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return link_.lost(loop_.now(), last_error());
    if (n == 0) return link_.lost(loop_.now(), make_error_code(errc::connection_closed));
    const auto size = static_cast<std::size_t>(n);
    if (!tls_) reader_.commit(size);
    if (!(tls_ ? take({to, size}) : deliver()) || fd_ < 0 || socket != socket_id_) return;
    if (size < kReadSize && !end) return;  // edge-triggered: what comes behind it is a new event
  }
  again();
}

/// Deciphers and delivers. False: the connection is over.
bool Connection::take(std::string_view ciphertext) {
  const std::uint64_t socket = socket_id_;
  tls_->feed(ciphertext);
  if (!tls_->established()) {
    tls_progress(tls_->handshake(into_wire()));
    if (fd_ < 0 || socket != socket_id_) return false;
  }
  io::TlsStatus status = io::TlsStatus::want_input;
  while (tls_->established()) {
    constexpr std::size_t kRecord = 16 * 1024;
    std::size_t n = 0;
    status = tls_->read(reader_.prepare(kRecord), kRecord, n, into_wire());
    if (status != io::TlsStatus::ok) break;
    reader_.commit(n);
  }
  if (!deliver()) return false;
  if (status == io::TlsStatus::failed) {
    tls_progress(status);
    return false;
  }
  if (status != io::TlsStatus::closed) return true;
  link_.lost(loop_.now(), make_error_code(errc::connection_closed));
  return false;
}

/// The replies that are whole. False: the connection is over.
bool Connection::deliver() {
  const std::uint64_t socket = socket_id_;
  while (Reply* reply = reader_.next()) {
    link_.received(loop_.now(), *reply);
    if (fd_ < 0 || socket != socket_id_) return false;
  }
  if (reader_.failure().empty()) return true;
  link_.lost(loop_.now(), make_error_code(errc::protocol_error), std::string(reader_.failure()));
  return false;
}

void Connection::flush() {
  if (fd_ < 0 || connecting_) return;
  if (!tls_) {
    send_all(link_.pipeline().output(), true);
    return;
  }
  do encrypt();
  while (!wire_.empty() && send_all(wire_, false));
}

void Connection::encrypt() {
  OutBuffer& out = link_.pipeline().output();
  while (ready() && !out.empty() && wire_.size() < kWireBytes) {
    const std::string_view piece = out.front();
    if (tls_->write(piece, into_wire()) == io::TlsStatus::failed) return;  // read() will say why
    link_.pipeline().sent(piece.size());
  }
}

/// Why TLS failed, for the other side; if that does not listen any more, all the same.
void Connection::alert() {
  constexpr int kPieces = 4;
  iovec pieces[kPieces];
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = static_cast<std::size_t>(wire_.peek(pieces, kPieces));
  ::sendmsg(fd_, &message, MSG_NOSIGNAL);
}

/// False when something is left to be sent, or the connection is over.
bool Connection::send_all(OutBuffer& from, bool plain) {
  constexpr int kPieces = 64;
  iovec pieces[kPieces];
  while (!from.empty()) {
    if (blocked_) return false;
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = static_cast<std::size_t>(from.peek(pieces, kPieces));
    const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n >= 0) {
      const auto size = static_cast<std::size_t>(n);
      plain ? link_.pipeline().sent(size) : from.consume(size);
    } else if (errno == EAGAIN) {
      blocked_ = true;
    } else if (errno != EINTR) {
      // What Redis said before it closed is worth more than EPIPE: read() finds it, or the end.
      const error_code e = last_error();
      const std::uint64_t socket = socket_id_;
      read(true);
      if (fd_ >= 0 && socket == socket_id_) link_.lost(loop_.now(), e);
      return false;
    }
  }
  return true;
}

}  // namespace sb::redis
