// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "io/tls_records.h"

// Four bytes: version and suite; how the wire is cut; room for reading; what is done to the wire. The rest is plaintext
// that a peer seals, or (bit 7 of the first byte) the wire itself. However it is cut, the record layer must say the
// same, and what it lets through must be what was sealed.
namespace {

using namespace sb::io;

TlsOutput into(std::string& s) {
  return {[](void* to, const char* data, std::size_t n) { static_cast<std::string*>(to)->append(data, n); }, &s};
}

void fill(TlsTraffic& t, std::uint8_t kind) {
  t.version = kind & 1 ? TlsVersion::v1_2 : TlsVersion::v1_3;
  t.suite = static_cast<TlsSuite>((kind >> 1) % 3);
  t.client_secret = t.server_secret = std::string(48, 's');
  t.client_random = t.server_random = std::string(32, 'r');
}

/// A sealer whose writing keys are the reader's reading keys.
std::string seal(std::uint8_t kind, std::string_view plaintext, std::size_t piece) {
  TlsTraffic t;
  fill(t, kind);
  std::string wire;
  TlsRecords sealer(t);
  for (; !plaintext.empty(); plaintext.remove_prefix(std::min(piece, plaintext.size()))) {
    sealer.write(plaintext.substr(0, piece), into(wire));
  }
  if (kind & 64) sealer.close(into(wire));
  return wire;
}

struct Seen {
  std::string data, answer, detail;
  TlsStatus status = TlsStatus::want_input;
  bool operator==(const Seen&) const = default;
};

Seen read(std::uint8_t kind, std::string_view wire, std::size_t step, std::size_t room) {
  Seen seen;
  TlsTraffic t;
  fill(t, kind);
  TlsRecords reader(t);
  std::string buffer(room, '\0');
  while (!wire.empty() && seen.status == TlsStatus::want_input) {
    std::string_view chunk = wire.substr(0, step);
    wire.remove_prefix(chunk.size());
    std::size_t n = 0;
    TlsFailure why;
    while ((seen.status = reader.read(chunk, buffer.data(), room, n, into(seen.answer), why)) == TlsStatus::ok) {
      if (n == 0 || n > room) std::abort();
      seen.data.append(buffer, 0, n);
    }
    if (seen.status == TlsStatus::want_input && !chunk.empty()) std::abort();
    if (seen.status == TlsStatus::failed && why.detail.empty()) std::abort();
    seen.detail = why.detail;
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::uint8_t kind = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 4, size - 4);
  const bool raw = kind & 128;
  // In TLS 1.3 both directions have the same keys here; in 1.2 they differ, and a sealed wire is refused.
  std::string wire = raw ? std::string(rest) : seal(kind, rest, 1 + data[2] % 50u);
  if (!wire.empty() && data[3] != 0) wire[data[3] * 131u % wire.size()] ^= static_cast<char>(data[3]);
  const Seen whole = read(kind, wire, wire.size() + 1, 20000);
  if (!(read(kind, wire, 1 + data[1] % 61u, 1 + data[2] % 61u) == whole)) std::abort();
  if (!raw && rest.substr(0, whole.data.size()) != whole.data) std::abort();
  if (!raw && data[3] == 0 && !(kind & 1) && whole.data != rest) std::abort();
  if (raw && !whole.data.empty()) std::abort();
  return 0;
}
