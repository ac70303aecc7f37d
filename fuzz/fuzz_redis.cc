// SPDX-License-Identifier: MIT
// What comes from Redis, and what an operator writes into a URL.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "redis/refusal.h"
#include "redis/reply_reader.h"
#include "redis/slot_map.h"

namespace {

std::size_t walk(sb::redis::Reply::View v) {
  std::size_t bytes = v.text().size() + static_cast<std::size_t>(v.integer().value_or(0) & 1);
  for (auto element : v) bytes += walk(element);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  sb::redis::ReplyReader reader;
  input.copy(reader.prepare(size), size);
  reader.commit(size);
  while (sb::redis::Reply* reply = reader.next()) {
    const auto root = reply->root();
    walk(root);
    sb::redis::classify(root.text());
    sb::redis::redirect_of(root.text());
    sb::redis::SlotMap().take(root, "host");
  }
  std::string problem;
  if (auto url = sb::redis::parse_url(input, problem)) url->text();
  return 0;
}
