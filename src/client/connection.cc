// SPDX-License-Identifier: MIT
// Making, ending and repeating a connection; bytes in and out are in connection_io.cc.
#include "client/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>

namespace sb::client {
namespace {

error_code last_error() { return {errno, boost::system::system_category()}; }

void set_option(int fd, int level, int name) {
  int on = 1;
  setsockopt(fd, level, name, &on, sizeof on);  // an optimisation: works without
}

/// Whether the same attempt may succeed later.
bool passing(const error_code& code, mqtt::Reason reason) {
  if (code != errc::refused && code != errc::server_disconnect) return code != errc::tls_failed;
  switch (reason) {
    using enum mqtt::Reason;
    case server_unavailable:
    case server_busy:
    case server_shutting_down:
    case connection_rate_exceeded:
    case quota_exceeded:
    case keep_alive_timeout:
    case maximum_connect_time:
    case unspecified_error:
    case implementation_specific_error:
      return true;
    default:
      return false;
  }
}

}  // namespace

Connection::Connection(Hub& hub, const Wiring& wiring, const Options& options, std::string client_id, Handler& handler,
                       const Address* source)
    : hub_(hub),
      wiring_(wiring),
      source_(source),
      handler_(handler),
      engine_(options, std::move(client_id), handler, *this, out_) {}

Connection::~Connection() {
  abort();
  hub_.forget(this);
}

void Connection::connect() {
  if (state_ != State::idle && state_ != State::waiting) return;
  final_ = false;
  ending_ = {};
  next_address_ = 0;
  hub_.loop().timers().set(deadline_, hub_.loop().now() + wiring_.connect_timeout);
  try_next_address();
}

void Connection::disconnect(mqtt::Reason reason, std::string_view properties) {
  final_ = true;
  if (state_ == State::up && engine_.connected()) return engine_.disconnect(reason, properties);
  if (state_ == State::stopping || state_ == State::lingering || state_ == State::idle) return;
  ending_ = {};
  state_ = State::stopping;  // on_closed comes at the end of the turn, as always
  close_socket();
  mark();
}

void Connection::abort() {
  final_ = true;
  close_socket();
  hub_.loop().timers().cancel(deadline_);
  if (state_ != State::idle) engine_.lost();
  state_ = State::idle;
}

void Connection::try_next_address() {
  while (next_address_ < wiring_.addresses.size()) {
    error_code e = open_socket(wiring_.addresses[next_address_++]);
    if (!e) return;
    ending_.code = e;
  }
  fail(ending_.code ? ending_.code : make_error_code(errc::no_address), std::move(ending_.text));
}

error_code Connection::open_socket(const Address& a) {
  fd_ = ::socket(a.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return last_error();
  bool inet = a.family() != AF_UNIX;
  if (inet && wiring_.nodelay) set_option(fd_, IPPROTO_TCP, TCP_NODELAY);
  error_code e;
  if (inet && source_) {
    // The port is chosen by connect(), which knows the destination: so each source address has all ports for
    // each.
    set_option(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    if (::bind(fd_, source_->get(), source_->size) < 0) e = last_error();
  }
  if (!e && ::connect(fd_, a.get(), a.size) < 0 && errno != EINPROGRESS) e = last_error();
  // Edge-triggered: EPOLLOUT costs nothing until the socket was full, and needs no epoll_ctl() then.
  if (!e) e = hub_.loop().add(fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP, this);
  if (e) {
    ::close(fd_);
    fd_ = -1;
    return e;
  }
  state_ = State::connecting;
  return {};
}

void Connection::on_connect_result() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    close_socket();
    ending_.code = error_code(error, boost::system::system_category());
    return try_next_address();
  }
  blocked_ = false;
  const Target& t = wiring_.target;
  if (!t.tls && !t.websocket) return layers_ready();
  std::optional<io::WsClientHandshake::Options> websocket;
  if (t.websocket) {
    websocket.emplace();
    websocket->host = !t.unix_path.empty() ? "localhost" : t.port == default_port(t.tls, true) ? t.host : t.name();
    websocket->target = t.path;
    websocket->protocol = wiring_.websocket_protocol;
  }
  transport_ = std::make_unique<Transport>(t.tls ? wiring_.tls.get() : nullptr, t.host, std::move(websocket));
  state_ = State::layers;
  transport_->start();
  check_layers();
}

void Connection::layers_ready() {
  state_ = State::up;
  engine_.opened();
}

void Connection::on_up() {
  attempts_ = 0;
  hub_.loop().timers().cancel(deadline_);
  if (Millis period = engine_.tick_period(); period.count() > 0)
    hub_.loop().timers().set(tick_, hub_.loop().now() + period);
}

void Connection::on_tick() {
  engine_.tick();
  if (state_ == State::up) hub_.loop().timers().set(tick_, hub_.loop().now() + engine_.tick_period());
}

void Connection::on_stop(const Stop& stop) {
  ending_ = {stop.code, stop.reason, std::string(stop.text), std::string(stop.server_reference)};
  state_ = State::stopping;
  hub_.loop().timers().set(deadline_, hub_.loop().now() + wiring_.linger);  // for what is queued to go out
  mark();
}

void Connection::fail(error_code code, std::string detail) {
  // The protocol's own word is better than what the socket says afterwards.
  if (state_ != State::stopping && state_ != State::lingering)
    ending_ = {code, mqtt::Reason::success, std::move(detail), {}};
  state_ = State::stopping;
  close_socket();
  mark();
}

void Connection::begin_linger() {
  if (transport_) {
    transport_->close();
    if (!send_all(transport_->wire())) return;
  }
  // Bytes that we have not read would make close() a reset, and a reset may overtake what the broker has not
  // read yet.
  ::shutdown(fd_, SHUT_WR);
  state_ = State::lingering;
  hub_.loop().timers().set(deadline_, hub_.loop().now() + wiring_.linger);
}

void Connection::finish() {
  close_socket();
  hub_.loop().timers().cancel(deadline_);
  engine_.lost();
  state_ = State::idle;
  Ending e = std::move(ending_);
  ending_ = {};
  retry_ = !final_ && wiring_.reconnect_max.count() > 0 && e.code && passing(e.code, e.reason);
  if (retry_) {
    state_ = State::waiting;
    hub_.loop().timers().set(deadline_, hub_.loop().now() + next_pause());
  }
  handler_.on_closed({e.code, e.reason, e.text, e.server_reference});
}

void Connection::close_socket() {
  hub_.loop().timers().cancel(tick_);
  if (fd_ >= 0) {
    hub_.loop().remove(fd_);
    ::close(fd_);
    fd_ = -1;
  }
  out_.clear();
  tail_.clear();
  transport_.reset();
  blocked_ = more_to_read_ = end_seen_ = false;
}

Millis Connection::next_pause() {
  thread_local std::minstd_rand random{std::random_device{}()};
  std::int64_t pause = wiring_.reconnect_min.count() << std::min(attempts_++, 20u);
  pause = std::clamp<std::int64_t>(pause, 1, wiring_.reconnect_max.count());
  // Between half and all of it, so that clients which were lost together do not come back together.
  return Millis(pause - static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(pause / 2 + 1)));
}

void Connection::on_deadline() {
  switch (state_) {
    case State::waiting:
      return connect();
    case State::connecting:
    case State::layers:
    case State::up:
      return fail(make_error_code(errc::timed_out));
    case State::stopping:
    case State::lingering:
      state_ = State::stopping;
      close_socket();
      return mark();
    case State::idle:
      return;
  }
}

}  // namespace sb::client
