// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "io/ws_frame.h"

// Two bytes (role and bound; how the rest is cut), then what a peer sends. However it is cut, the decoder must say the
// same; and the payload must be what a plain reading of the frames gives.
namespace {

using namespace sb::io;

struct Seen {
  std::string data, ping, reason;
  WsClose error = WsClose::none, close = WsClose::none;
  bool operator==(const Seen&) const = default;
};

Seen decode(std::string input, WsRole role, std::uint64_t bound, unsigned cut) {
  Seen seen;
  WsDecoder decoder(role);
  for (std::size_t at = 0, round = 0; at < input.size(); ++round) {
    const std::size_t n = std::min(cut == 0 ? input.size() : 1 + (cut * (round + 1) * 31) % 23, input.size() - at);
    WsInput in;
    decoder.decode(input.data() + at, n, bound, in);
    if (!in.data.empty() &&
        (in.data.data() < input.data() + at || in.data.data() + in.data.size() > input.data() + at + n)) {
      std::abort();
    }
    seen.data += in.data;
    if (in.ping) seen.ping = in.control_payload();
    if (in.close != WsClose::none) seen.reason = in.control_payload();
    if (seen.error == WsClose::none) seen.error = in.error;
    if (seen.close == WsClose::none) seen.close = in.close;
    if (decoder.finished() != (seen.error != WsClose::none || seen.close != WsClose::none)) std::abort();
    at += n;
  }
  // A Close in a chunk makes its pings pointless, and which chunk that is depends on the cut.
  if (decoder.finished()) seen.ping.clear();
  return seen;
}

/// The payload of the data frames, read without thought of errors or speed; stops where a header or payload is cut.
std::string plain_reading(std::string_view in, std::size_t enough) {
  std::string out;
  while (in.size() >= 2 && out.size() < enough) {
    const auto byte = [&in](std::size_t i) { return static_cast<std::uint64_t>(static_cast<std::uint8_t>(in[i])); };
    std::size_t head = 2;
    std::uint64_t length = byte(1) & 127;
    const std::size_t wide = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (in.size() < head + wide) break;
    if (wide != 0) length = 0;
    for (std::size_t i = 0; i < wide; ++i) length = length << 8 | byte(head++);
    std::string_view mask(byte(1) & 128 ? in.substr(std::min(head, in.size()), 4) : std::string_view("\0\0\0\0", 4));
    if (mask.size() < 4) break;
    if (byte(1) & 128) head += 4;
    const bool control = byte(0) & 8;
    in.remove_prefix(head);
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(length, in.size()));
    for (std::size_t i = 0; i < n && !control; ++i) out += static_cast<char>(in[i] ^ mask[i % 4]);
    in.remove_prefix(n);
  }
  return out.substr(0, enough);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const WsRole role = data[0] & 1 ? WsRole::client : WsRole::server;
  const std::uint64_t bound = data[0] & 2 ? 100 : ~0ull;
  const std::string input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Seen whole = decode(input, role, bound, 0);
  if (!(decode(input, role, bound, data[1] | 1u) == whole)) std::abort();
  if (plain_reading(input, whole.data.size()) != whole.data) std::abort();
  return 0;
}
