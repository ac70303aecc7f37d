// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "io/ws_upgrade.h"

// One byte (how the rest is cut, and who reads it), then a request or an answer. However it is cut, the verdict must be
// the same, and no byte behind an accepted request may be taken.
namespace {

using namespace sb::io;

struct Verdict {
  bool accepted = false, rejected = false;
  unsigned status = 0;
  std::string text;
  std::size_t taken = 0;
  bool operator==(const Verdict&) const = default;
};

template <class Reader>
Verdict read(Reader&& reader, std::string_view input, std::size_t step) {
  Verdict v;
  for (std::size_t at = 0; at < input.size() && !v.accepted && !v.rejected; at += step) {
    auto r = reader.feed(input.substr(at, step));
    using Kind = decltype(r.kind);
    v = {r.kind == Kind::accept, r.kind == Kind::reject, r.status, r.reason, 0};
    if (v.accepted) v.taken = at + r.consumed;
    if (r.consumed > step) std::abort();
    if constexpr (requires { r.response; }) {
      if (r.response.empty() != (r.kind == Kind::need_more)) std::abort();
      if (v.accepted != !r.protocol.empty()) std::abort();
    }
  }
  return v;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t step = 1 + (data[0] >> 1) % 61;
  static const WsUpgradeRules rules{.path = "/mqtt", .origins = {"https://a.example.org", "https://*.example.com"}};
  if (data[0] & 1) {
    const WsClientHandshake client({.host = "example.org"});
    if (!(read(WsClientHandshake(client), input, step) == read(WsClientHandshake(client), input, size))) std::abort();
  } else {
    const Verdict whole = read(WsUpgrade(rules), input, size);
    if (!(read(WsUpgrade(rules), input, step) == whole)) std::abort();
    if (whole.accepted && input.substr(0, whole.taken).substr(whole.taken - 4) != "\r\n\r\n") std::abort();
  }
  return 0;
}
