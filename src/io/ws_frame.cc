// SPDX-License-Identifier: MIT
#include "io/ws_frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/utf8.h"

namespace sb::io {
namespace {

constexpr std::uint8_t kFin = 0x80, kReserved = 0x70, kOpcode = 0x0F, kMasked = 0x80, kLength = 0x7F;

std::uint64_t big_endian(const char* p, std::size_t n) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < n; ++i) v = v << 8 | static_cast<std::uint8_t>(p[i]);
  return v;
}

void put_big_endian(char* p, std::uint64_t v, std::size_t n) {
  for (std::size_t i = n; i-- > 0; v >>= 8) p[i] = static_cast<char>(v);
}

std::uint32_t turned(std::uint32_t mask, std::size_t bytes) {
  int bits = static_cast<int>(bytes % 4) * 8;
  return std::endian::native == std::endian::little ? std::rotr(mask, bits) : std::rotl(mask, bits);
}

/// Codes that may stand in a Close frame: not those reserved for local use (1004, 1005, 1006, 1015) nor
/// unassigned ones (RFC 6455 7.4; 1012..1014 were registered later).
bool valid_close_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

std::uint32_t ws_mask(char* dst, const char* src, std::size_t n, std::uint32_t mask) {
  if (mask == 0) {
    if (dst != src) std::memmove(dst, src, n);
    return 0;
  }
  // Each round loads before it stores, and dst <= src: so what is stored over has been loaded.
  const std::uint64_t wide = std::uint64_t{mask} << 32 | mask;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    std::uint64_t w[4];
    std::memcpy(w, src + i, 32);
    for (auto& v : w) v ^= wide;
    std::memcpy(dst + i, w, 32);
  }
  for (; i + 8 <= n; i += 8) {
    std::uint64_t v;
    std::memcpy(&v, src + i, 8);
    v ^= wide;
    std::memcpy(dst + i, &v, 8);
  }
  char bytes[4];
  std::memcpy(bytes, &mask, 4);
  for (std::size_t k = 0; i < n; ++i, ++k) dst[i] = static_cast<char>(src[i] ^ bytes[k & 3]);
  return turned(mask, n);
}

void WsDecoder::decode(char* data, std::size_t n, std::uint64_t max_frame, WsInput& in) {
  char *p = data, *const end = data + n;
  char *first = p, *out = p;  // the payload gathered so far is [first, out)
  while (!finished_) {
    if (!in_payload_) {
      if (p == end) break;
      std::size_t size = 0;
      if (have_ == 0) {
        size = parse_header(p, static_cast<std::size_t>(end - p), max_frame, in);
        if (size != 0) {
          p += size;
        } else if (!finished_) {  // cut: fewer than kWsMaxHeader bytes are left
          have_ = static_cast<std::uint8_t>(end - p);
          std::memcpy(header_, p, have_);
          break;
        }
      } else {
        header_[have_++] = *p++;
        // parse_header() writes frame_, which shares memory with header_
        char whole[kWsMaxHeader];
        std::memcpy(whole, header_, have_);
        size = parse_header(whole, have_, max_frame, in);
        if (size != 0) have_ = 0;
      }
      if (size == 0) continue;
      in_payload_ = true;
    }
    auto take = static_cast<std::size_t>(std::min<std::uint64_t>(frame_.remaining, end - p));
    if (is_control()) {
      take_control(p, take, in);
    } else if (take != 0) {
      if (first == out) first = out = p;  // a chunk with one frame is not moved at all
      frame_.mask = ws_mask(out, p, take, frame_.mask);
      frame_.remaining -= take;
      out += take;
    }
    p += take;
    if (finished_ || frame_.remaining != 0) break;
    in_payload_ = false;
    have_ = 0;
  }
  in.data = {first, static_cast<std::size_t>(out - first)};
}

WsClose WsDecoder::check_start(std::uint8_t b0, std::uint8_t b1) const {
  // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (5.2): none is.
  if (b0 & kReserved) return WsClose::protocol_error;
  // "a server MUST close the connection upon receiving a frame that is not masked", and a client one that is
  // (5.1).
  if (((b1 & kMasked) != 0) != (role_ == WsRole::server)) return WsClose::protocol_error;
  switch (static_cast<WsOpcode>(b0 & kOpcode)) {
    case WsOpcode::continuation:
      return message_open_ ? WsClose::none : WsClose::protocol_error;
    case WsOpcode::binary:
      return message_open_ ? WsClose::protocol_error : WsClose::none;
    // "MQTT Control Packets MUST be sent in WebSocket binary data frames" [MQTT-6.0.0-1]
    case WsOpcode::text:
      return message_open_ ? WsClose::protocol_error : WsClose::unsupported_data;
    case WsOpcode::close:
    case WsOpcode::ping:
    case WsOpcode::pong:
      // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented"
      // (5.5).
      return (b0 & kFin) != 0 && (b1 & kLength) <= kWsMaxControl ? WsClose::none : WsClose::protocol_error;
  }
  return WsClose::protocol_error;
}

std::size_t WsDecoder::parse_header(const char* h, std::size_t n, std::uint64_t max_frame, WsInput& in) {
  if (n < 2) return 0;
  const auto b0 = static_cast<std::uint8_t>(h[0]), b1 = static_cast<std::uint8_t>(h[1]);
  if (WsClose wrong = check_start(b0, b1); wrong != WsClose::none) return fail(in, wrong), 0;
  std::uint64_t length = b1 & kLength;
  std::size_t size = 2;
  if (length >= 126) {
    const std::size_t wide = length == 126 ? 2 : 8;
    if (n < size + wide) return 0;
    length = big_endian(h + size, wide);
    size += wide;
    // "the minimal number of bytes MUST be used to encode the length", "the most significant bit MUST be 0"
    // (5.2)
    const std::uint64_t least = wide == 2 ? 126 : 0x10000;
    if (length < least || length >> 63 != 0) return fail(in, WsClose::protocol_error), 0;
    if (length > max_frame) return fail(in, WsClose::too_big), 0;
  } else if (length > max_frame && !(b0 & 8)) {
    return fail(in, WsClose::too_big), 0;
  }
  std::uint32_t mask = 0;
  if (b1 & kMasked) {
    if (n < size + 4) return 0;
    std::memcpy(&mask, h + size, 4);
    size += 4;
  }
  frame_ = {length, mask};
  opcode_ = b0 & kOpcode;
  fin_ = (b0 & kFin) != 0;
  if (!is_control()) message_open_ = !fin_;
  return size;
}

void WsDecoder::take_control(char* p, std::size_t n, WsInput& in) {
  if (opcode_ == static_cast<std::uint8_t>(WsOpcode::pong)) {  // its payload is nobody's business: a ping's is kept
    frame_.remaining -= n;
    in.pong |= frame_.remaining == 0;
    return;
  }
  char* to = in.control.data();
  if (split_ || n < frame_.remaining) {
    if (!split_) split_ = std::make_unique<SplitControl>();
    to = split_->bytes.data() + split_->size;
    split_->size = static_cast<std::uint8_t>(split_->size + n);
  } else {
    in.control_size = static_cast<std::uint8_t>(n);
  }
  // ws_mask() wants dst at or before src; here the ranges are apart, which is as good.
  frame_.mask = ws_mask(to, p, n, frame_.mask);
  frame_.remaining -= n;
  if (frame_.remaining != 0) return;
  if (split_) {
    in.control_size = split_->size;
    std::memcpy(in.control.data(), split_->bytes.data(), split_->size);
    split_.reset();
  }
  finish_control(in);
}

void WsDecoder::finish_control(WsInput& in) {
  if (opcode_ == static_cast<std::uint8_t>(WsOpcode::ping)) {
    in.ping = true;
    return;
  }
  in.ping = false;  // the control payload is the Close's now, and after a Close nobody waits for a Pong
  finished_ = true;
  const std::string_view payload = in.control_payload();
  if (payload.empty()) {
    in.close = WsClose::no_status;
    return;
  }
  const auto code = payload.size() < 2 ? 0u : static_cast<unsigned>(big_endian(payload.data(), 2));
  if (!valid_close_code(code)) return fail(in, WsClose::protocol_error);
  if (!is_utf8(payload.substr(2))) return fail(in, WsClose::invalid_payload);
  in.close = static_cast<WsClose>(code);
  in.control_size = static_cast<std::uint8_t>(in.control_size - 2);
  std::memmove(in.control.data(), in.control.data() + 2, in.control_size);
}

void WsDecoder::fail(WsInput& in, WsClose code) {
  in.error = code;
  finished_ = true;
}

std::size_t encode_ws_header(char* out, WsOpcode opcode, std::uint64_t payload_size,
                             std::optional<std::uint32_t> mask) {
  const auto masked = mask ? kMasked : std::uint8_t{0};
  out[0] = static_cast<char>(kFin | static_cast<std::uint8_t>(opcode));
  std::size_t size = 2;
  if (payload_size < 126) {
    out[1] = static_cast<char>(masked | payload_size);
  } else if (payload_size <= 0xFFFF) {
    out[1] = static_cast<char>(masked | 126);
    put_big_endian(out + 2, payload_size, 2);
    size = 4;
  } else {
    out[1] = static_cast<char>(masked | 127);
    put_big_endian(out + 2, payload_size, 8);
    size = 10;
  }
  if (mask) {
    std::memcpy(out + size, &*mask, 4);
    size += 4;
  }
  return size;
}

std::size_t encode_ws_control(char* out, WsOpcode opcode, std::string_view payload, std::optional<std::uint32_t> mask) {
  payload = payload.substr(0, kWsMaxControl);
  const std::size_t header = encode_ws_header(out, opcode, payload.size(), mask);
  std::copy(payload.begin(), payload.end(), out + header);
  if (mask) ws_mask(out + header, out + header, payload.size(), *mask);
  return header + payload.size();
}

std::size_t encode_ws_close(char* out, WsClose code, std::string_view reason, std::optional<std::uint32_t> mask) {
  if (code == WsClose::none || code == WsClose::no_status) return encode_ws_control(out, WsOpcode::close, {}, mask);
  char payload[kWsMaxControl];
  put_big_endian(payload, static_cast<std::uint16_t>(code), 2);
  reason = reason.substr(0, kWsMaxControl - 2);
  std::copy(reason.begin(), reason.end(), payload + 2);
  return encode_ws_control(out, WsOpcode::close, {payload, reason.size() + 2}, mask);
}

}  // namespace sb::io
