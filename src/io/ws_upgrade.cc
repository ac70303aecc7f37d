// SPDX-License-Identifier: MIT
#include "io/ws_upgrade.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <optional>

#include "base/base64.h"

namespace sb::io {
namespace {

namespace http = boost::beast::http;
using http::field;
using Request = http::request<http::empty_body>;

/// Boost before 1.81 has its own string_view.
std::string_view sv(boost::beast::string_view s) { return {s.data(), s.size()}; }

constexpr std::string_view kEnd = "\r\n\r\n";

/// Appends `input` to `head` up to the blank line that ends it. True when it is there; then `consumed` says
/// how much of `input` was taken. Never holds more than kWsMaxRequest bytes.
bool gather(std::string& head, std::string_view input, std::size_t& consumed) {
  const std::size_t before = head.size();
  head += input.substr(0, kWsMaxRequest - before);
  const std::size_t from = before < kEnd.size() ? 0 : before - (kEnd.size() - 1);
  const std::size_t at = head.find(kEnd, from);
  if (at == std::string::npos) return false;
  head.resize(at + kEnd.size());
  consumed = head.size() - before;
  return true;
}

struct Refusal {
  unsigned status;
  std::string_view reason;
  std::string_view header = {};  ///< one more header line of the answer
};

std::string_view status_text(unsigned status) { return sv(http::obsolete_reason(static_cast<http::status>(status))); }

WsUpgradeResult reject(const Refusal& r) {
  WsUpgradeResult out;
  out.kind = WsUpgradeResult::Kind::reject;
  out.status = r.status;
  out.reason = r.reason;
  out.response = fmt::format(
      "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{}{}\r\n{}\n", r.status,
      status_text(r.status), r.reason.size() + 1, r.header, r.header.empty() ? "" : "\r\n", r.reason);
  return out;
}

std::size_t count(const Request& request, field name) {
  auto range = request.equal_range(name);
  return static_cast<std::size_t>(std::distance(range.first, range.second));
}

/// True when a header of that name, one or several, lists `token` (ASCII case does not matter).
template <class Message>
bool lists(const Message& message, field name, std::string_view token) {
  auto range = message.equal_range(name);
  return std::any_of(range.first, range.second, [&](const auto& f) {
    return http::token_list{f.value()}.exists({token.data(), token.size()});
  });
}

/// Subprotocols in the order of our preference. "The WebSocket Subprotocol name selected and returned by the
/// Server MUST be 'mqtt'" [MQTT-6.0.0-4]; `mqttv3.1` is what clients of 3.1 were told to offer. Names are
/// compared exactly, as RFC 6455 4.2.2 gives no other way.
std::string_view choose_protocol(const Request& request) {
  for (std::string_view ours : {std::string_view("mqtt"), std::string_view("mqttv3.1")}) {
    auto range = request.equal_range(field::sec_websocket_protocol);
    for (auto f = range.first; f != range.second; ++f) {
      for (auto offered : http::token_list{f->value()}) {
        if (sv(offered) == ours) return ours;
      }
    }
  }
  return {};
}

/// Why the request is not an upgrade that we accept (RFC 6455 4.2.1).
std::optional<Refusal> check(const Request& request, const WsUpgradeRules& rules) {
  std::string_view target = sv(request.target());
  if (target.substr(0, target.find('?')) != rules.path) return Refusal{404, "no such path"};
  if (request.method() != http::verb::get) return Refusal{405, "only GET is possible here", "Allow: GET"};
  if (request.version() != 11) return Refusal{505, "HTTP/1.1 is needed"};
  if (count(request, field::host) != 1) return Refusal{400, "one Host header is needed"};
  // What would be a body is the first frames to us, and something else to a proxy that reads the lengths.
  if (count(request, field::content_length) != 0 || count(request, field::transfer_encoding) != 0) {
    return Refusal{400, "a request with a body cannot be upgraded"};
  }
  if (!lists(request, field::upgrade, "websocket") || !lists(request, field::connection, "upgrade")) {
    return Refusal{426, "this is a WebSocket endpoint for MQTT", "Upgrade: websocket"};
  }
  if (count(request, field::sec_websocket_version) != 1 || request[field::sec_websocket_version] != "13") {
    return Refusal{426, "WebSocket version 13 is needed", "Upgrade: websocket\r\nSec-WebSocket-Version: 13"};
  }
  auto key = base64_decode(sv(request[field::sec_websocket_key]));
  if (count(request, field::sec_websocket_key) != 1 || !key || key->size() != 16) {
    return Refusal{400, "Sec-WebSocket-Key must be the base64 of 16 bytes"};
  }
  const std::size_t origins = count(request, field::origin);
  if (origins > 1) return Refusal{400, "more than one Origin header"};
  if (origins == 1 && !origin_allowed(rules.origins, sv(request[field::origin]))) {
    return Refusal{403, "this origin is not allowed"};
  }
  // "The Client MUST include 'mqtt' in the list of WebSocket Sub Protocols it offers" [MQTT-6.0.0-3]
  if (choose_protocol(request).empty()) {
    return Refusal{400, "Sec-WebSocket-Protocol must offer mqtt"};
  }
  return std::nullopt;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = lower(c);
  return out;
}

}  // namespace

bool origin_allowed(const std::vector<std::string>& origins, std::string_view origin) {
  if (origins.empty()) return true;
  const std::string given = lower(origin);
  return std::any_of(origins.begin(), origins.end(), [&](const std::string& entry) {
    const std::string allowed = lower(entry);
    if (allowed == "*" || allowed == given) return true;
    const std::size_t star = allowed.find("://*.");
    if (star == std::string::npos) return false;
    const std::string_view scheme = std::string_view(allowed).substr(0, star + 3);
    const std::string_view suffix = std::string_view(allowed).substr(star + 4);  // with its dot
    if (given.size() <= scheme.size() + suffix.size() || !given.starts_with(scheme) || !given.ends_with(suffix)) {
      return false;
    }
    // The part for the star is labels only: "https://evil.org/.example.com" must not fit.
    return std::all_of(given.begin() + static_cast<std::ptrdiff_t>(scheme.size()),
                       given.end() - static_cast<std::ptrdiff_t>(suffix.size()),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; });
  });
}

std::string ws_accept_key(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<char, EVP_MAX_MD_SIZE> digest;
  std::size_t size = 0;
  EVP_Q_digest(nullptr, "SHA1", nullptr, text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()),
               &size);
  return base64_encode({digest.data(), size});
}

WsUpgradeResult WsUpgrade::feed(std::string_view input) {
  WsUpgradeResult out;
  const bool complete = gather(head_, input, out.consumed);
  // MQTT or TLS on this port is told at once, not after a time-out.
  if (!head_.empty() && !(head_[0] >= 'A' && head_[0] <= 'Z')) return reject({400, "this is not HTTP"});
  if (!complete) {
    if (head_.size() < kWsMaxRequest) return out;
    return reject({431, "the request is too long"});
  }
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kWsMaxRequest);
  boost::beast::error_code ec;
  parser.put(boost::asio::buffer(head_), ec);
  if (ec == http::error::unexpected_body) return reject({400, "a request with a body cannot be upgraded"});
  if ((ec && ec != http::error::need_more) || !parser.is_header_done()) {
    return reject({400, "this is not a valid HTTP request"});
  }
  const Request& request = parser.get();
  if (auto refusal = check(request, rules_)) return reject(*refusal);
  out.kind = WsUpgradeResult::Kind::accept;
  out.status = 101;
  out.protocol = choose_protocol(request);
  out.response = fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Accept: {}\r\n"
      "Sec-WebSocket-Protocol: {}\r\n\r\n",
      ws_accept_key(sv(request[field::sec_websocket_key])), out.protocol);
  return out;
}

WsClientHandshake::WsClientHandshake(Options options) : protocol_(std::move(options.protocol)) {
  std::array<char, 16> nonce;
  RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), nonce.size());
  key_ = base64_encode({nonce.data(), nonce.size()});
  request_ = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {}\r\n{}{}{}\r\n",
      options.target, options.host, key_, protocol_, options.origin.empty() ? "" : "Origin: ", options.origin,
      options.origin.empty() ? "" : "\r\n");
}

WsClientHandshake::Answer WsClientHandshake::feed(std::string_view input) {
  Answer out;
  if (!gather(head_, input, out.consumed)) {
    if (head_.size() >= kWsMaxRequest) out = {Answer::Kind::reject, "the answer is too long"};
    return out;
  }
  Answer verdict = verify();
  verdict.consumed = out.consumed;
  return verdict;
}

WsClientHandshake::Answer WsClientHandshake::verify() const {
  auto wrong = [](std::string reason, unsigned status = 0) {
    return Answer{Answer::Kind::reject, std::move(reason), status, 0};
  };
  http::response_parser<http::empty_body> parser;
  parser.skip(true);  // a refusal may announce a body; its status is enough
  parser.header_limit(kWsMaxRequest);
  boost::beast::error_code ec;
  parser.put(boost::asio::buffer(head_), ec);
  if ((ec && ec != http::error::need_more) || !parser.is_header_done()) return wrong("the answer is not HTTP");
  const auto& response = parser.get();
  const unsigned status = response.result_int();
  if (status != 101) return wrong(fmt::format("the server answered {} {}", status, sv(response.reason())), status);
  if (!lists(response, field::upgrade, "websocket") || !lists(response, field::connection, "upgrade")) {
    return wrong("the answer does not upgrade to websocket", status);
  }
  if (sv(response[field::sec_websocket_accept]) != ws_accept_key(key_)) {
    return wrong("Sec-WebSocket-Accept is wrong", status);
  }
  if (sv(response[field::sec_websocket_protocol]) != protocol_)
    return wrong("the server chose another subprotocol", status);
  // We offered none, so any extension is an error (RFC 6455 4.1).
  if (!response[field::sec_websocket_extensions].empty()) return wrong("the server wants an extension", status);
  return {Answer::Kind::accept, {}, status, 0};
}

}  // namespace sb::io
