// SPDX-License-Identifier: MIT
// A connection's way in through PROXY, TLS and WebSocket.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "net/connection.h"
#include "net/layers.h"
#include "net/proxy_protocol.h"
#include "net/shard.h"

namespace sb::net {

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
      return turned_away("malformed PROXY header");
    case ProxyParse::absent: {
      if (listener_.proxy == ProxyMode::required) {
        return turned_away("no PROXY header");
      }
      h.size = 0;
      break;
    }
    case ProxyParse::complete:
      if (!h.local) comes_from(h.source);
      if (auto name = h.ssl.verified_name(); !name.empty() && listener_.identity != io::TlsIdentity::none)
        layers_->identity = std::make_unique<std::string>(name);
      break;
  }
  if (!counted_ && !pass_gate()) return false;
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

/// What the proxy says of where the client is.
void Connection::comes_from(const ProxyAddress& a) {
  using Family = ProxyAddress::Family;
  if (a.family == Family::unix_socket) layers_->proxy_peer = std::make_unique<std::string>(a.text());
  if (a.family == Family::ipv4) peer_ = {Ip::v4(a.ip.data()), a.port};
  if (a.family == Family::ipv6) peer_ = {Ip::v6(a.ip.data()), a.port};
}

bool Connection::pass_gate() {
  const Gate::Verdict v = listener_.gate->enter(peer_.ip, shard_.loop().wall());
  counted_ = v == Gate::Verdict::in;
  if (counted_) return true;
  const bool banned = v == Gate::Verdict::banned;
  auto& counters = shard_.core().counters;
  (banned ? counters.refused_banned : counters.refused_address).add();
  return turned_away(banned ? "banned" : "limits.connections_per_address");
}

/// Ends a connection that has not got to MQTT.
bool Connection::turned_away(std::string_view why) {
  shard_.refused(peer(), why);
  finish();
  return false;
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
  if (status == io::TlsStatus::failed) {
    const std::string reason = fmt::format("TLS failed: {}", why ? why->detail : "");
    if (newcomer_) shard_.refused(peer(), reason);
    channel_.lost(reason, true);
  }
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
      shard_.refused(peer(), fmt::format("WebSocket upgrade refused, status {}: {}", r.status, r.reason));
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

}  // namespace sb::net
