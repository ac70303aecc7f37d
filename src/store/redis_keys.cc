// SPDX-License-Identifier: MIT
#include "store/redis_keys.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <utility>

#include "base/fnv.h"

namespace sb::store {
namespace {

constexpr std::size_t kLongest = 200;  // bytes of a name in a key
constexpr std::size_t kShown = 64;     // of a longer one

std::uint64_t stable_hash(std::string_view s) {
  const std::uint64_t h = fnv1a(s);
  return h ^ (h >> 32);
}

std::string sha256_hex(std::string_view s) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(s.data(), s.size(), digest, &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

std::string key_name(std::string_view name) {
  std::string out;
  for (unsigned char c : name.substr(0, kLongest + 1)) {
    if (c == '{' || c == '}' || c == '%' || c < 0x20 || c == 0x7F)
      out += fmt::format("%{:02X}", c);
    else
      out += static_cast<char>(c);
  }
  if (out.size() <= kLongest) return out;
  // `%~` begins no encoded byte, so no other name looks like this one.
  return out.substr(0, kShown) + "%~" + sha256_hex(name);
}

RedisKeys::RedisKeys(std::string prefix, std::string cluster)
    : prefix_(std::move(prefix)), cluster_(std::move(cluster)) {}

std::string RedisKeys::tagged(char kind, std::string_view name, std::string_view rest) const {
  return fmt::format("{}{{{}:{}}}{}", prefix_, kind, key_name(name), rest);
}

std::string RedisKeys::nodes() const { return fmt::format("{}{{{}}}:nodes", prefix_, key_name(cluster_)); }
std::string RedisKeys::node(std::string_view node, std::string_view what) const {
  return fmt::format("{}:{}", tagged('n', node), what);
}
std::string RedisKeys::inbox(std::string_view node, std::string_view from) const {
  return fmt::format("{}:in:{}", tagged('n', node), key_name(from));
}
std::string RedisKeys::logs(std::size_t shard) const { return fmt::format("{}{{lg:{:02}}}", prefix_, shard); }
std::size_t RedisKeys::shard_of(std::string_view name) { return stable_hash(name) % kShards; }
std::string RedisKeys::log(std::string_view filter) const { return tagged('l', filter); }
std::string RedisKeys::log_state(std::string_view filter) const { return tagged('l', filter, ":p"); }
std::string RedisKeys::log_members(std::string_view filter) const { return tagged('l', filter, ":c"); }
std::string RedisKeys::session(std::string_view client_id) const { return tagged('s', client_id); }
std::string RedisKeys::session_mark(std::string_view client_id, std::uint64_t mark) const {
  return tagged('s', client_id, fmt::format(":m:{}", mark));
}
std::string RedisKeys::retained(std::string_view topic) const { return tagged('r', topic); }
std::string RedisKeys::retained_topics(std::size_t shard) const {
  return fmt::format("{}{{rt:{:02}}}", prefix_, shard);
}
std::string RedisKeys::schedule(std::size_t shard) const { return fmt::format("{}{{x:{:02}}}", prefix_, shard); }

}  // namespace sb::store
