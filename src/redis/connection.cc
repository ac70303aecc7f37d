// SPDX-License-Identifier: MIT
// Making and ending a connection; bytes in and out are in connection_io.cc.
#include "redis/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <random>
#include <utility>

namespace sb::redis {
namespace {

error_code last_error() { return {errno, boost::system::system_category()}; }

}  // namespace

void RetireConnection::operator()(Connection* c) const { c->retire(); }

ConnectionPtr Connection::make(io::EventLoop& loop, Endpoint endpoint, std::shared_ptr<const Options> options,
                               ConnectionListener* listener) {
  return ConnectionPtr(new Connection(loop, std::move(endpoint), std::move(options), listener));
}

Connection::Connection(io::EventLoop& loop, Endpoint endpoint, std::shared_ptr<const Options> options,
                       ConnectionListener* listener)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      options_(std::move(options)),
      listener_(listener),
      link_(options_, *this, std::random_device()()),
      lookup_(loop, [this](std::vector<Address> found) {
        addresses_ = std::move(found);
        next_address_ = 0;
        last_error_ = make_error_code(errc::no_address);
        try_next_address();
        rearm();
      }) {}

Connection::~Connection() = default;

void Connection::retire() {
  retired_ = true;
  link_.stop();
  loop_.timers().cancel(*this);
  if (!loop_.in_turn()) {
    delete this;
    return;
  }
  ++turn_ends_;  // its events and calls of this turn are over then
  loop_.at_turn_end(this);
}

void Connection::start() {
  if (retired_) return;
  link_.start(loop_.now());
  rearm();
}

void Connection::stop() {
  link_.stop();
  rearm();
}

void Connection::renew(error_code why, const std::string& detail) {
  link_.lost(loop_.now(), why, detail);
  rearm();
}

error_code Connection::command(Args command, Handler& handler, std::uint64_t tag, Millis timeout) {
  if (error_code e = link_.command(loop_.now(), command, handler, tag, timeout); e) return e;
  mark();
  return {};
}

void Connection::open() { lookup_.start(endpoint_); }

void Connection::try_next_address() {
  while (next_address_ < addresses_.size()) {
    last_error_ = open_socket(addresses_[next_address_++]);
    if (!last_error_) return;
  }
  link_.lost(loop_.now(), last_error_);
}

error_code Connection::open_socket(const Address& a) {
  fd_ = ::socket(a.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return last_error();
  static std::atomic<std::uint64_t> last_socket{0};
  socket_id_ = ++last_socket;
  error_code e;
  if (::connect(fd_, a.get(), a.size) < 0 && errno != EINPROGRESS) e = last_error();
  if (!e) e = loop_.add(fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP, this);
  if (e) {
    ::close(fd_);
    fd_ = -1;
    return e;
  }
  int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // an optimisation; a Unix socket has none
  connecting_ = true;
  blocked_ = false;
  reader_.reset();
  return {};
}

void Connection::on_connect_result() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    close();
    last_error_ = error_code(error, boost::system::system_category());
    return try_next_address();
  }
  connecting_ = false;
  if (options_->tls) {
    tls_.emplace(*options_->tls, endpoint_.host);
    return tls_progress(tls_->handshake(into_wire()));
  }
  link_.opened(loop_.now());
}

void Connection::tls_progress(io::TlsStatus status) {
  if (status == io::TlsStatus::ok) return link_.opened(loop_.now());
  if (status != io::TlsStatus::failed) return;
  const auto failure = *tls_->failure();
  alert();
  link_.lost(loop_.now(), failure.error, failure.detail);
}

void Connection::close() {
  lookup_.cancel();
  if (fd_ < 0) return;
  // Abortively: what the kernel still holds of us must not be carried out behind our back.
  linger hard{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  loop_.remove(fd_);
  ::close(fd_);
  fd_ = -1;
  tls_.reset();
  wire_.clear();
}

void Connection::on_link_up() {
  if (std::exchange(said_down_, false)) log::info("redis connected peer={}", endpoint_.text());
  if (listener_) listener_->on_up(*this);
}

void Connection::on_link_down(error_code why, const std::string& detail) {
  if (log_limit_.pass()) {
    said_down_ = true;
    log::warn("redis connection down peer={} error=\"{}\"{}", endpoint_.text(), why.message(),
              detail.empty() ? "" : " detail=\"" + detail + "\"");
  }
  if (listener_) listener_->on_down(*this, why, detail);
}

void Connection::on_timer() {
  link_.tick(loop_.now());
  mark();  // it may have asked something
  rearm();
}

/// Later deadlines are found out about when the timer fires.
void Connection::rearm() {
  const MonoTime at = link_.wake_at();
  if (retired_ || at == kNever) return loop_.timers().cancel(*this);
  if (!armed() || at < deadline()) loop_.timers().set(*this, at);
}

void Connection::mark() {
  if (retired_ || turn_ends_ > 0 || fd_ < 0) return;
  if (!loop_.in_turn()) return again();
  ++turn_ends_;
  loop_.at_turn_end(this);
}

/// Has the loop give us events once more.
void Connection::again() { loop_.modify(fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP, this); }

void Connection::on_end_of_turn() {
  --turn_ends_;
  if (retired_) {
    if (turn_ends_ == 0) delete this;
    return;
  }
  flush();
  rearm();
}

}  // namespace sb::redis
