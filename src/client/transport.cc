// SPDX-License-Identifier: MIT
#include "client/transport.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>

#include "client/errc.h"

namespace sb::client {
namespace {

constexpr std::size_t kFrame = 16 * 1024;  // bytes of payload of one WebSocket frame, about a TLS record
constexpr std::size_t kMaxFrame = 512u << 20;

/// Masks are unpredictable (RFC 6455 5.3), but need not be dear: one call of the generator for many.
std::uint32_t next_mask() {
  thread_local struct {
    std::uint32_t masks[256];
    std::size_t left = 0;
  } pool;
  if (pool.left == 0) {
    RAND_bytes(reinterpret_cast<unsigned char*>(pool.masks), sizeof pool.masks);
    pool.left = std::size(pool.masks);
  }
  return pool.masks[--pool.left];
}

}  // namespace

Transport::Transport(const io::TlsContext* tls, const std::string& server_name,
                     std::optional<io::WsClientHandshake::Options> websocket) {
  if (tls) tls_.emplace(*tls, server_name);
  if (websocket) ws_ = std::make_unique<WebSocket>(std::move(*websocket));
}

io::TlsOutput Transport::into_wire() {
  return {[](void* to, const char* data, std::size_t n) { static_cast<OutBuffer*>(to)->append({data, n}); }, &wire_};
}

void Transport::fail(error_code e, std::string detail) {
  status_ = Status::failed;
  error_ = e;
  detail_ = std::move(detail);
}

void Transport::fail_tls() {
  const io::TlsFailure* f = tls_->failure();
  fail(f->error, f->detail);
}

void Transport::start() {
  if (!tls_) return tls_ready();
  if (tls_->handshake(into_wire()) == io::TlsStatus::failed) fail_tls();
}

/// Bytes can be sent: the WebSocket's request goes out, or nothing is left to be done.
void Transport::tls_ready() {
  if (ws_)
    send(ws_->handshake.request());
  else
    status_ = Status::open;
}

void Transport::send(std::string_view bytes) {
  if (!tls_) return wire_.append(bytes);
  if (tls_->write(bytes, into_wire()) == io::TlsStatus::failed) fail_tls();
}

void Transport::input(char* data, std::size_t n, char* scratch, std::size_t capacity, Receiver& to) {
  if (tls_) return tls_input({data, n}, scratch, capacity, to);
  ws_input(data, n, to);
}

void Transport::tls_input(std::string_view ciphertext, char* scratch, std::size_t capacity, Receiver& to) {
  tls_->feed(ciphertext);
  io::TlsStatus s = io::TlsStatus::ok;
  while (s == io::TlsStatus::ok && (status_ == Status::open || status_ == Status::handshake)) {
    if (!tls_->established()) {
      s = tls_->handshake(into_wire());
      if (s == io::TlsStatus::ok) tls_ready();
      continue;
    }
    // Many small records are gathered: the engine then takes their packets in one go.
    std::size_t have = 0, got = 0;
    while (have < capacity && (s = tls_->read(scratch + have, capacity - have, got, into_wire())) == io::TlsStatus::ok)
      have += got;
    if (have == 0) break;
    if (ws_)
      ws_input(scratch, have, to);
    else
      to.on_plain(scratch, have);
  }
  if (s == io::TlsStatus::failed) fail_tls();
  if (s == io::TlsStatus::closed && status_ != Status::failed) status_ = Status::closed;
}

void Transport::ws_input(char* data, std::size_t n, Receiver& to) {
  if (!ws_->open) {
    auto answer = ws_->handshake.feed({data, n});
    using Kind = io::WsClientHandshake::Answer::Kind;
    if (answer.kind == Kind::need_more) return;
    if (answer.kind == Kind::reject) return fail(make_error_code(errc::websocket_failed), std::move(answer.reason));
    ws_->open = true;
    status_ = Status::open;
    data += answer.consumed;
    n -= answer.consumed;
    if (n == 0) return;
  }
  io::WsInput in;
  ws_->decoder.decode(data, n, kMaxFrame, in);
  if (!in.data.empty()) to.on_plain(const_cast<char*>(in.data.data()), in.data.size());
  if (in.ping && status_ == Status::open) ws_control(io::WsOpcode::pong, in.control_payload());
  if (in.error != io::WsClose::none) {
    return fail(make_error_code(errc::websocket_failed),
                fmt::format("a wrong frame (close code {})", static_cast<unsigned>(in.error)));
  }
  if (in.close != io::WsClose::none && status_ == Status::open) {
    close();
  }
}

void Transport::ws_control(io::WsOpcode opcode, std::string_view payload) {
  char frame[io::kWsMaxHeader + io::kWsMaxControl];
  send({frame, io::encode_ws_control(frame, opcode, payload, next_mask())});
}

void Transport::output(OutBuffer& plain) {
  while (!plain.empty() && status_ != Status::failed) {
    std::string_view piece = plain.front().substr(0, kFrame);
    if (ws_) {
      char frame[io::kWsMaxHeader + kFrame];
      std::uint32_t mask = next_mask();
      std::size_t head = io::encode_ws_header(frame, io::WsOpcode::binary, piece.size(), mask);
      io::ws_mask(frame + head, piece.data(), piece.size(), mask);
      send({frame, head + piece.size()});
    } else {
      send(piece);
    }
    plain.consume(piece.size());
  }
}

void Transport::close() {
  if (status_ != Status::open) return;
  if (ws_) {
    char frame[io::kWsMaxHeader + io::kWsMaxControl];
    send({frame, io::encode_ws_close(frame, io::WsClose::normal, {}, next_mask())});
  }
  if (status_ == Status::failed) return;
  if (tls_) tls_->close(into_wire());
  status_ = Status::closed;
}

}  // namespace sb::client
