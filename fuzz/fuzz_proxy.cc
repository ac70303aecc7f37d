// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/proxy_protocol.h"

// What a load balancer sends. A verdict must not depend on how much more is there; and a header that was read, written
// again and read again is the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sb::net;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ProxyHeader header;
  const ProxyParse whole = parse_proxy_header(input, header);
  bool decided = false;
  for (std::size_t n = 0; n <= size; n += 1 + n / 64) {
    ProxyHeader other;
    const ProxyParse state = parse_proxy_header(input.substr(0, n), other);
    if (state == ProxyParse::need_more) {
      if (decided) std::abort();
      continue;
    }
    decided = true;
    if (state != whole || (state == ProxyParse::complete && !(other == header))) std::abort();
  }
  if (whole != ProxyParse::complete) return 0;
  if (header.size > size || header.size > 16 + kProxyV2Max) std::abort();
  (void)header.source.text();
  (void)header.destination.text();
  ProxyHeader again, expected = header;
  const std::string bytes = encode_proxy_v2(header);
  if (bytes.size() > 16 + kProxyV2Max) return 0;  // the CRC that is added did not fit
  if (parse_proxy_header(bytes, again) != ProxyParse::complete || again.size != bytes.size()) std::abort();
  expected.version = 2;
  expected.size = again.size;
  if (!(again == expected)) std::abort();
  return 0;
}
