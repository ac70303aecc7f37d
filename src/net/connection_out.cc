// SPDX-License-Identifier: MIT
// A connection's way out: what is queued goes to the socket, through WebSocket and TLS where the listener has them.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "net/connection.h"
#include "net/layers.h"
#include "net/shard.h"

namespace sb::net {

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
  if (stuck_since_ != kNever) channel_.set_stuck(false);
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
  channel_.set_stuck(true);
  if (stuck_since_ == kNever) stuck_since_ = shard_.loop().now();
  if (!write_armed_) {
    write_armed_ = true;
    shard_.loop().modify(fd_, kReadEvents | EPOLLOUT, this);
  }
  set_timer();
}

}  // namespace sb::net
