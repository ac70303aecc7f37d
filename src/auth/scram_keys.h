// SPDX-License-Identifier: MIT
#pragma once
#include <openssl/crypto.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/errc.h"

/// What both sides of SCRAM-SHA-256 (RFC 5802, RFC 7677) compute.
///
/// SASLprep (RFC 4013) is not applied: names and passwords are taken as the UTF-8 that they are, byte for byte. For
/// printable ASCII that is the same; a password such as "\u2168" is here not the same as "IX".
namespace sb::auth {

inline constexpr std::string_view kScramMethod = "SCRAM-SHA-256";
inline constexpr std::uint32_t kScramMinIterations = 4096;  ///< "SHOULD be at least 4096" (RFC 7677 4)
inline constexpr std::uint32_t kScramMaxIterations = 10'000'000;
inline constexpr std::uint32_t kScramIterations =
    10'000;  ///< of new users: 3 to 5 ms on the client, once per connection

/// 32 bytes that are wiped when they go.
struct Secret {
  std::array<unsigned char, 32> bytes{};
  Secret() = default;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  Secret& operator^=(const Secret& o) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] ^= o.bytes[i];
    return *this;
  }
  /// In constant time.
  bool equals(const Secret& o) const { return CRYPTO_memcmp(bytes.data(), o.bytes.data(), bytes.size()) == 0; }
};

/// What the server keeps of a user. From it one can check a password, but not log in (short of guessing the password).
struct ScramKeys {
  std::uint32_t iterations = 0;
  std::string salt;
  Secret stored_key, server_key;
};

/// Overwrites a text that was secret.
void wipe(std::string& s);

Secret hmac_sha256(std::string_view key, std::string_view data);
Secret sha256(std::string_view data);
/// Hi(password, salt, iterations): the expensive step.
Secret salted_password(std::string_view password, std::string_view salt, std::uint32_t iterations);
Secret client_key(const Secret& salted);
Secret server_key(const Secret& salted);
/// `n` random bytes.
std::string random_bytes(std::size_t n);
/// 24 characters of base64, which has no comma.
std::string scram_nonce();

ScramKeys make_scram_keys(std::string_view password, std::uint32_t iterations, std::string salt = random_bytes(16));
/// Takes as long as the iterations do.
bool password_matches(const ScramKeys& keys, std::string_view password);

/// Keys as they stand in a file of users, which is the form that PostgreSQL and others keep:
///   SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>      (the last three in base64)
/// so that entries can be carried over. On an error `why` says what is wrong.
result<ScramKeys> parse_scram_keys(std::string_view text, std::string& why);
std::string format_scram_keys(const ScramKeys& keys);

/// Cuts `NAME=value` and a following comma off `rest`; nothing when `rest` begins otherwise.
std::optional<std::string_view> take_attribute(std::string_view& rest, char name);
/// The user name on the wire: "," is "=2C" and "=" is "=3D".
std::string escape_name(std::string_view name);
std::optional<std::string> unescape_name(std::string_view text);
/// 32 bytes in base64.
std::optional<Secret> decode_secret(std::string_view base64);

}  // namespace sb::auth
