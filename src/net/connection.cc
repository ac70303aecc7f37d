// SPDX-License-Identifier: MIT
#include "net/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "net/layers.h"
#include "net/shard.h"

namespace sb::net {
namespace {
constexpr Seconds kLinger{5};                          // for the last output of a connection that is closing
constexpr std::size_t kKeptWithoutMemory = 64 * 1024;  // bytes of a packet that is not complete
}  // namespace

Connection::Connection(Shard& shard, int fd, ListenerContext& listener, const PeerAddress& peer)
    : shard_(shard),
      listener_(listener),
      fd_(fd),
      peer_(peer),
      counted_(listener.proxy == ProxyMode::off),
      channel_(*this, shard.core(), listener.channel()) {
  if (!listener.is_tls() && !listener.is_ws() && listener.proxy == ProxyMode::off) return;
  layers_ = std::make_unique<Layers>();
  layers_->proxy_pending = listener.proxy != ProxyMode::off;
  if (listener.is_tls()) layers_->tls = std::make_unique<io::TlsStream>(*listener.tls());
  if (listener.is_ws()) layers_->upgrade = std::make_unique<io::WsUpgrade>(listener.ws);
}

Connection::~Connection() {
  shard_.loop().timers().cancel(*this);
  if (fd_ >= 0) ::close(fd_);
  no_newcomer();
  if (counted_) listener_.gate->leave(peer_.ip);
  listener_.connections.fetch_sub(1, std::memory_order_relaxed);
}

bool Connection::start() {
  if (shard_.loop().add(fd_, kReadEvents, this)) return false;
  set_timer();
  newcomer_ = shard_.newcomers().add(this);
  return true;
}

void Connection::no_newcomer() {
  if (newcomer_) shard_.newcomers().remove(std::exchange(newcomer_, 0));
}

void Connection::give_up() {
  shard_.core().counters.refused_half_open.add();
  shard_.refused(peer(), "limits.half_open");
  no_newcomer();
  drop_tail();
  lost();
}

bool Connection::handshaking() const {
  return newcomer_ && layers_ && layers_->tls && !layers_->tls->established() && !layers_->proxy_pending;
}

std::string Connection::peer() const { return layers_ && layers_->proxy_peer ? *layers_->proxy_peer : peer_.text(); }

std::string Connection::tls_identity() const {
  return layers_ && layers_->identity ? *layers_->identity : std::string();
}

// ---------------------------------------------------------------- in

void Connection::on_events(std::uint32_t events) {
  if (fd_ < 0) return;
  if (events & EPOLLOUT) {
    blocked_ = false;
    shard_.want_flush(this);
  }
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
    readable_ = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) end_seen_ = true;
    read_socket();
  }
}

void Connection::read_on() {
  if (fd_ < 0) return;
  if (paused_) run_tail();
  if (readable_) read_socket();
}

/// One large read; the socket is drained when it brought less than it could, unless its end was announced.
void Connection::read_socket() {
  if (closing_) {  // what still comes is not ours to answer; the end of it tells that the peer is gone
    if (end_seen_) finish();
    return;
  }
  if (paused_) return;  // resume_input comes back to it
  if (shard_.core().congested()) return shard_.want_read(this);
  if (layers_ && handshaking() && !shard_.newcomers().may_handshake(newcomer_, this)) return;
  if (tail_size_ > kKeptWithoutMemory && shard_.core().memory_full) {
    shard_.core().counters.refused_memory.add();
    return channel_.shut_down(mqtt::Reason::quota_exceeded);
  }
  bool into_tail = tail_size_ > Shard::kHeadroom && !layers_;
  char* to = shard_.read_buffer();
  std::size_t room = Shard::kReadChunk;
  if (into_tail) {  // a large packet is gathered where it will be decoded
    if (tail_capacity_ - tail_size_ < 4096) save_tail({});
    to = tail_.get() + tail_size_;
    room = tail_capacity_ - tail_size_;
  }
  ssize_t n;
  do n = ::recv(fd_, to, room, 0);
  while (n < 0 && errno == EINTR);
  if (n <= 0) {
    if (n < 0 && errno == EAGAIN) {
      readable_ = false;
      return;
    }
    return lost();
  }
  shard_.core().counters.bytes_received.add(static_cast<std::uint64_t>(n));
  if (into_tail) {
    tail_size_ += static_cast<std::uint32_t>(n);
    run_tail();
  } else if (!take(to, static_cast<std::size_t>(n))) {
    return;
  }
  if (newcomer_ && tail_size_ > 0) shard_.bound_newcomers();
  if (fd_ < 0) return;
  if (static_cast<std::size_t>(n) < room && !end_seen_)
    readable_ = false;
  else
    shard_.want_read(this);
}

/// Bytes from the socket, through the layers. False when the connection ended.
bool Connection::take(char* data, std::size_t n) {
  if (!layers_) [[likely]] {
    to_channel(data, n);
    return fd_ >= 0;
  }
  if (layers_->proxy_pending && !take_proxy(data, n)) return fd_ >= 0;
  if (n == 0) return true;
  if (layers_->tls) return take_tls(data, n);
  if (layers_->upgrade || layers_->ws) return take_ws(data, n);
  to_channel(data, n);
  return fd_ >= 0;
}

/// The bytes behind what was cut off last time. `data` has kHeadroom free bytes in front.
void Connection::to_channel(char* data, std::size_t n) {
  if (tail_size_ == 0) [[likely]] {
  } else if (tail_size_ <= Shard::kHeadroom && !paused_) {
    data -= tail_size_;
    n += tail_size_;
    std::memcpy(data, tail_.get(), tail_size_);
    tail_size_ = 0;
  } else {
    save_tail({data, n});
    if (!paused_) run_tail();
    return;
  }
  if (paused_) return save_tail({data, n});
  in_input_ = true;
  std::size_t taken = channel_.input({data, n});
  in_input_ = false;
  check_newcomer();
  if (channel_.state() == channel::Channel::State::closed) return drop_tail();
  paused_ = channel_.input_waits();
  if (taken == n) {
    if (tail_capacity_) drop_tail();
  } else {
    save_tail({data + taken, n - taken});
  }
}

/// Offers the tail to the channel again.
void Connection::run_tail() {
  paused_ = false;
  if (tail_size_ == 0 || closing_) return;
  in_input_ = true;
  std::size_t taken = channel_.input({tail_.get(), tail_size_});
  in_input_ = false;
  check_newcomer();
  if (channel_.state() == channel::Channel::State::closed) return drop_tail();
  paused_ = channel_.input_waits();
  if (taken == tail_size_) return drop_tail();
  std::memmove(tail_.get(), tail_.get() + taken, tail_size_ - taken);
  tail_size_ -= static_cast<std::uint32_t>(taken);
}

void Connection::drop_tail() {
  tail_.reset();
  tail_size_ = tail_capacity_ = 0;
  if (newcomer_) shard_.newcomers().keeps(newcomer_, this, 0);
}

/// Small ones fit exactly; a large one grows in steps, up to the packet that it begins with.
std::size_t Connection::tail_capacity_for(std::string_view rest) const {
  const std::size_t size = tail_size_ + rest.size();
  if (size <= Shard::kHeadroom) return std::max<std::size_t>(size, 64);
  const std::size_t packet = mqtt::announced_size(tail_size_ ? std::string_view(tail_.get(), tail_size_) : rest);
  const std::size_t step = size * 2 + 64 * 1024;
  return packet > size ? std::min(packet, step) : step;
}

/// Appends to the tail; without `rest` it gets more room.
void Connection::save_tail(std::string_view rest) {
  std::size_t size = tail_size_ + rest.size();
  const std::size_t capacity = size > tail_capacity_ || rest.empty() ? tail_capacity_for(rest) : 0;
  if (capacity > tail_capacity_) {
    auto wider = std::make_unique<char[]>(capacity);
    if (tail_size_) std::memcpy(wider.get(), tail_.get(), tail_size_);
    tail_ = std::move(wider);
    tail_capacity_ = static_cast<std::uint32_t>(capacity);
    if (newcomer_) shard_.newcomers().keeps(newcomer_, this, capacity);
  }
  if (!rest.empty()) std::memcpy(tail_.get() + tail_size_, rest.data(), rest.size());
  tail_size_ = static_cast<std::uint32_t>(size);
}

void Connection::resume_input() {
  if (in_input_ || closing_) return;
  paused_ = tail_size_ > 0;
  shard_.want_read(this);
}

// ---------------------------------------------------------------- time and end

/// When a peer that takes nothing has had time enough.
MonoTime Connection::stall_ends() const {
  if (!blocked_) return kNever;
  Seconds patience = closing_ ? kLinger : Seconds(channel_.config().limits.output_stall);
  return patience.count() > 0 ? stuck_since_ + patience : kNever;
}

void Connection::set_timer() {
  MonoTime next = std::min(channel_.deadline(), stall_ends());
  if (next == kNever)
    shard_.loop().timers().cancel(*this);
  else
    shard_.loop().timers().set(*this, next);
}

void Connection::deadline_changed() { set_timer(); }

void Connection::on_timer() {
  if (fd_ < 0) return;
  if (shard_.loop().now() >= stall_ends()) {
    if (!closing_) channel_.stalled();
    return finish();
  }
  channel_.on_deadline();
  if (fd_ >= 0) set_timer();
}

/// The socket is no use any more.
void Connection::lost() {
  if (fd_ < 0) return;
  channel_.lost();
  finish();
}

void Connection::finish() {
  if (fd_ < 0) return;
  channel_.lost();
  shard_.loop().timers().cancel(*this);
  ::close(fd_);  // leaves epoll by itself
  fd_ = -1;
  shard_.want_flush(this);  // the shard buries it at the end of the turn
}

}  // namespace sb::net
