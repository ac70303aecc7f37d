// SPDX-License-Identifier: MIT
#include "net/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "mqtt/frame.h"
#include "net/layers.h"
#include "net/proxy_protocol.h"
#include "net/shard.h"

namespace sb::net {
namespace {
constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP;
constexpr Seconds kLinger{5};  // for the last output of a connection that is closing
}  // namespace

Connection::Connection(Shard& shard, int fd, ListenerContext& listener, const PeerAddress& peer)
    : shard_(shard), listener_(listener), fd_(fd), peer_(peer), channel_(*this, shard.core(), listener.channel()) {
  if (!listener.is_tls() && !listener.is_ws() && listener.proxy == ProxyMode::off) return;
  layers_ = std::make_unique<Layers>();
  layers_->proxy_pending = listener.proxy != ProxyMode::off;
  if (listener.is_tls()) layers_->tls = std::make_unique<io::TlsStream>(*listener.tls());
  if (listener.is_ws()) layers_->upgrade = std::make_unique<io::WsUpgrade>(listener.ws);
}

Connection::~Connection() {
  shard_.loop().timers().cancel(*this);
  if (fd_ >= 0) ::close(fd_);
  listener_.connections.fetch_sub(1, std::memory_order_relaxed);
}

bool Connection::start() {
  if (shard_.loop().add(fd_, kReadEvents, this)) return false;
  set_timer();
  return true;
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
  if (channel_.state() == channel::Channel::State::closed) return drop_tail();
  paused_ = channel_.input_waits();
  if (taken == tail_size_) return drop_tail();
  std::memmove(tail_.get(), tail_.get() + taken, tail_size_ - taken);
  tail_size_ -= static_cast<std::uint32_t>(taken);
}

/// Appends to the tail. It has room for the whole packet that it begins with, as far as that is known and came near.
void Connection::save_tail(std::string_view rest) {
  std::size_t size = tail_size_ + rest.size();
  if (size > tail_capacity_ || rest.empty()) {
    std::size_t capacity = std::max<std::size_t>(size, 64);
    if (size > Shard::kHeadroom) capacity = size * 2 + 64 * 1024;
    auto wider = std::make_unique<char[]>(capacity);
    if (tail_size_) std::memcpy(wider.get(), tail_.get(), tail_size_);
    tail_ = std::move(wider);
    tail_capacity_ = static_cast<std::uint32_t>(capacity);
  }
  if (!rest.empty()) std::memcpy(tail_.get() + tail_size_, rest.data(), rest.size());
  tail_size_ = static_cast<std::uint32_t>(size);
}

void Connection::resume_input() {
  if (in_input_ || closing_) return;
  paused_ = tail_size_ > 0;
  shard_.want_read(this);
}

// ---------------------------------------------------------------- layers

bool Connection::take_proxy(char*& data, std::size_t& n) {
  if (!layers_->proxy_bytes) layers_->proxy_bytes = std::make_unique<std::string>();
  std::string& head = *layers_->proxy_bytes;
  std::size_t before = head.size();
  head.append(data, n);
  ProxyHeader h;
  switch (parse_proxy_header(head, h)) {
    case ProxyParse::need_more:
      return false;
    case ProxyParse::malformed:
      log::info("malformed PROXY header peer={}", peer_.text());
      finish();
      return false;
    case ProxyParse::absent: {
      if (listener_.proxy == ProxyMode::required) {
        log::info("no PROXY header peer={}", peer_.text());
        finish();
        return false;
      }
      h.size = 0;
      break;
    }
    case ProxyParse::complete:
      if (!h.local && h.source.family != ProxyAddress::Family::none)
        layers_->proxy_peer = std::make_unique<std::string>(h.source.text());
      if (auto name = h.ssl.verified_name(); !name.empty() && listener_.identity != io::TlsIdentity::none)
        layers_->identity = std::make_unique<std::string>(name);
      break;
  }
  layers_->proxy_pending = false;
  std::unique_ptr<std::string> all = std::move(layers_->proxy_bytes);
  if (h.size >= before) {  // the rest lies in this chunk
    data += h.size - before;
    n -= h.size - before;
    return n > 0;
  }
  // No header after all, and its first bytes came earlier.
  n = std::min(all->size() - h.size, Shard::kReadChunk);
  std::memmove(data, all->data() + h.size, n);
  return true;
}

bool Connection::take_tls(char* data, std::size_t n) {
  io::TlsStream& tls = *layers_->tls;
  io::TlsOutput out{[](void* to, const char* bytes, std::size_t size) {
                      static_cast<OutBuffer*>(to)->append({bytes, size});
                    },
                    &layers_->sealed};
  tls.feed({data, n});
  if (!tls.established()) {
    io::TlsStatus status = tls.handshake(out);
    if (!layers_->sealed.empty()) shard_.want_flush(this);
    if (status == io::TlsStatus::want_input) return true;
    if (status != io::TlsStatus::ok) return tls_over(status);
    if (listener_.identity != io::TlsIdentity::none)
      if (std::string name = tls.peer_identity(listener_.identity); !name.empty())
        layers_->identity = std::make_unique<std::string>(std::move(name));
    tls.compact();  // from 13 KiB to less than one; where it cannot, OpenSSL goes on
  }
  for (;;) {
    std::size_t got = 0;
    char* to = shard_.plain_buffer();
    io::TlsStatus status = tls.read(to, Shard::kReadChunk, got, out);
    if (!layers_->sealed.empty()) shard_.want_flush(this);
    if (status == io::TlsStatus::ok) {
      bool go_on = layers_->upgrade || layers_->ws ? take_ws(to, got) : (to_channel(to, got), fd_ >= 0);
      if (!go_on || closing_) return fd_ >= 0;
      continue;
    }
    if (status == io::TlsStatus::want_input) return true;
    return tls_over(status);
  }
}

/// The peer said good-bye, or broke the rules: the alert, if there is one, still goes out.
bool Connection::tls_over(io::TlsStatus status) {
  const io::TlsFailure* why = layers_->tls->failure();
  if (status == io::TlsStatus::failed) log::info("TLS failed peer={} reason=\"{}\"", peer(), why ? why->detail : "");
  channel_.lost();
  return fd_ >= 0;
}

void Connection::ws_close(std::uint16_t code) {
  if (layers_->close_sent) return;
  layers_->close_sent = true;
  char frame[io::kWsMaxHeader + io::kWsMaxControl];
  std::size_t n = io::encode_ws_close(frame, static_cast<io::WsClose>(code));
  if (!layers_->control) layers_->control = std::make_unique<std::string>();
  layers_->control->append(frame, n);
  shard_.want_flush(this);
}

bool Connection::take_ws(char* data, std::size_t n) {
  if (layers_->upgrade) {
    io::WsUpgradeResult r = layers_->upgrade->feed({data, n});
    if (r.kind == io::WsUpgradeResult::Kind::need_more) return true;
    if (!layers_->control) layers_->control = std::make_unique<std::string>();
    layers_->control->append(r.response);
    shard_.want_flush(this);
    layers_->upgrade.reset();
    if (r.kind == io::WsUpgradeResult::Kind::reject) {
      log::info("WebSocket upgrade refused peer={} status={} reason=\"{}\"", peer(), r.status, r.reason);
      layers_->close_sent = true;
      channel_.lost();
      return fd_ >= 0;
    }
    layers_->ws = std::make_unique<io::WsDecoder>(io::WsRole::server);
    data += r.consumed;
    n -= r.consumed;
    if (n == 0) return true;
  }
  io::WsInput in;
  layers_->ws->decode(data, n, UINT64_MAX, in);
  if (!in.data.empty()) to_channel(const_cast<char*>(in.data.data()), in.data.size());
  if (fd_ < 0) return false;
  if (in.ping) {
    char frame[io::kWsMaxHeader + io::kWsMaxControl];
    std::size_t size = io::encode_ws_control(frame, io::WsOpcode::pong, in.control_payload());
    if (!layers_->control) layers_->control = std::make_unique<std::string>();
    constexpr std::size_t kControlBound = 4096;  // bytes of answers to pings that the client does not read
    if (layers_->control->size() < kControlBound) layers_->control->append(frame, size);
    shard_.want_flush(this);
  }
  if (in.error != io::WsClose::none || in.close != io::WsClose::none) {
    io::WsClose code = in.error != io::WsClose::none ? in.error : in.close;
    ws_close(static_cast<std::uint16_t>(code));
    channel_.lost();
  }
  return fd_ >= 0;
}

// ---------------------------------------------------------------- out

void Connection::flush_soon() { shard_.want_flush(this); }

void Connection::close_soon() {
  closing_ = true;
  if (layers_ && layers_->ws) ws_close(static_cast<std::uint16_t>(io::WsClose::normal));
  shard_.want_flush(this);
}

Connection::Sent Connection::send_out(OutBuffer& out) {
  while (!out.empty()) {
    iovec pieces[32];
    int count = out.peek(pieces, 32);
    ssize_t n;
    if (count == 1) {
      n = ::send(fd_, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr m{};
      m.msg_iov = pieces;
      m.msg_iovlen = static_cast<std::size_t>(count);
      n = ::sendmsg(fd_, &m, MSG_NOSIGNAL);
    }
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? Sent::blocked : Sent::failed;
    }
    shard_.core().counters.bytes_sent.add(static_cast<std::uint64_t>(n));
    out.consume(static_cast<std::size_t>(n));
    stuck_since_ = shard_.loop().now();
  }
  return Sent::all;
}

/// One binary frame around all that is queued; control frames between frames.
Connection::Sent Connection::send_ws() {
  Layers& l = *layers_;
  OutBuffer& out = channel_.out();
  for (;;) {
    if (l.frame_left == 0 && l.header_sent == l.header_size) {
      // A Close frame is the last one: what was queued before goes out first.
      if (l.control && (!l.close_sent || out.empty() || !l.ws)) {
        OutBuffer control;
        control.append(*l.control);
        // Control frames are small; what the socket does not take is kept.
        Sent s = send_out(control);
        if (s == Sent::failed) return s;
        if (s == Sent::blocked) {
          iovec piece[8];
          std::string rest;
          int count = control.peek(piece, 8);
          for (int i = 0; i < count; ++i) rest.append(static_cast<char*>(piece[i].iov_base), piece[i].iov_len);
          *l.control = rest;
          return s;
        }
        l.control.reset();
      }
      if (out.empty() || !l.ws) return Sent::all;
      l.frame_left = out.size();
      l.header_size =
          static_cast<std::uint8_t>(io::encode_ws_header(l.header.data(), io::WsOpcode::binary, l.frame_left));
      l.header_sent = 0;
    }
    iovec pieces[32];
    int count = 0;
    if (l.header_sent < l.header_size)
      pieces[count++] = {l.header.data() + l.header_sent, static_cast<std::size_t>(l.header_size - l.header_sent)};
    int data_pieces = out.peek(pieces + count, 32 - count);
    std::size_t left = l.frame_left;
    for (int i = 0; i < data_pieces && left > 0; ++i, ++count) {
      pieces[count].iov_len = std::min(pieces[count].iov_len, left);
      left -= pieces[count].iov_len;
    }
    if (l.frame_left > out.size()) return Sent::failed;  // cut off in the middle of a frame: nothing can follow
    msghdr m{};
    m.msg_iov = pieces;
    m.msg_iovlen = static_cast<std::size_t>(count);
    ssize_t n = ::sendmsg(fd_, &m, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? Sent::blocked : Sent::failed;
    }
    shard_.core().counters.bytes_sent.add(static_cast<std::uint64_t>(n));
    stuck_since_ = shard_.loop().now();
    auto sent = static_cast<std::size_t>(n);
    std::size_t of_header = std::min<std::size_t>(sent, l.header_size - l.header_sent);
    l.header_sent = static_cast<std::uint8_t>(l.header_sent + of_header);
    out.consume(sent - of_header);
    l.frame_left -= sent - of_header;
  }
}

/// Encrypts what is queued, unless there is ciphertext that the socket has not taken. False when TLS failed.
bool Connection::seal() {
  Layers& l = *layers_;
  OutBuffer& out = channel_.out();
  io::TlsOutput to{[](void* sealed, const char* bytes, std::size_t size) {
                     static_cast<OutBuffer*>(sealed)->append({bytes, size});
                   },
                   &l.sealed};
  std::string plain;
  if (l.control) {
    plain = std::move(*l.control);
    l.control.reset();
  }
  if (!out.empty() && (!listener_.is_ws() || l.ws)) {
    std::string data;
    if (l.ws) {
      data.resize(10);
      data.resize(io::encode_ws_header(data.data(), io::WsOpcode::binary, out.size()));
    }
    std::size_t n = out.size();
    data.reserve(data.size() + n);
    while (!out.empty()) {
      std::string_view piece = out.front();
      data.append(piece);
      out.consume(piece.size());
    }
    // A Close frame goes last.
    plain = l.close_sent ? data + plain : plain + data;
  }
  return plain.empty() || l.tls->write(plain, to) == io::TlsStatus::ok;
}

Connection::Sent Connection::send_sealed() {
  Layers& l = *layers_;
  Sent s = send_out(l.sealed);
  while (s == Sent::all && l.tls->established() && (!channel_.out().empty() || l.control)) {
    if (!seal()) return Sent::failed;
    s = send_out(l.sealed);
  }
  return s;
}

void Connection::flush() {
  if (fd_ < 0) return;
  channel_.flushed();
  if (blocked_ && !closing_) return;
  OutBuffer& out = channel_.out();
  bool was_full = out.size() > channel_.config().limits.output_bytes || write_armed_;
  Sent s;
  if (!layers_)
    s = send_out(out);
  else if (layers_->tls)
    s = send_sealed();
  else if (listener_.is_ws())
    s = send_ws();
  else
    s = send_out(out);
  if (s == Sent::failed) return lost();
  if (s == Sent::blocked) {
    blocked();
    // Half of the bound is free again: what waited for it goes on.
    if (channel_.input_waits() && out.size() < channel_.config().limits.output_bytes / 2) channel_.drained();
    return;
  }
  blocked_ = false;
  stuck_since_ = kNever;
  if (closing_) {
    if (layers_ && layers_->tls) {
      io::TlsOutput to{[](void* sealed, const char* bytes, std::size_t size) {
                         static_cast<OutBuffer*>(sealed)->append({bytes, size});
                       },
                       &layers_->sealed};
      layers_->tls->close(to);
      send_out(layers_->sealed);
    }
    return finish();
  }
  if (was_full) channel_.drained();
}

void Connection::blocked() {
  blocked_ = true;
  if (stuck_since_ == kNever) stuck_since_ = shard_.loop().now();
  if (!write_armed_) {
    write_armed_ = true;
    shard_.loop().modify(fd_, kReadEvents | EPOLLOUT, this);
  }
  set_timer();
}

// ---------------------------------------------------------------- time and end

void Connection::set_timer() {
  MonoTime next = channel_.deadline();
  if (blocked_) {
    Seconds patience = closing_ ? kLinger : Seconds(channel_.config().limits.output_stall);
    if (patience.count() > 0) next = std::min(next, stuck_since_ + patience);
  }
  if (next == kNever)
    shard_.loop().timers().cancel(*this);
  else
    shard_.loop().timers().set(*this, next);
}

void Connection::deadline_changed() { set_timer(); }

void Connection::on_timer() {
  if (fd_ < 0) return;
  if (blocked_) {
    Seconds patience = closing_ ? kLinger : Seconds(channel_.config().limits.output_stall);
    if (patience.count() > 0 && shard_.loop().now() >= stuck_since_ + patience) {
      if (!closing_) log::info("output stalled peer={} bytes={}", peer(), channel_.out().size());
      return lost();
    }
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
