// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "auth/scram_keys.h"

namespace sb::auth {

/// What one check of a password costs with scrypt (RFC 7914): 128 * r * 2^ln bytes of memory while it lasts, and time
/// in proportion to r * p * 2^ln. The default takes 32 MiB, and 0.1 to 0.2 s of one core.
struct ScryptCost {
  std::uint32_t ln = 15, r = 8, p = 1;
};
inline constexpr std::uint64_t kScryptMaxMemory = 128ull << 20;  ///< bytes of one check
inline constexpr std::uint64_t kScryptMaxWork = 1ull << 21;      ///< r * p * 2^ln: eight times that of the default
inline constexpr std::uint32_t kPbkdf2MaxIterations = 10'000'000;

/// `$scrypt$ln=15,r=8,p=1$<salt>$<hash>`, 32 bytes: what `signalbox passwd` writes. The base64 is without padding, as
/// other programs write this form; it is taken with padding, too.
struct ScryptHash {
  ScryptCost cost;
  std::string salt, hash;
};
/// `$7$<iterations>$<salt>$<hash>`, PBKDF2 with HMAC-SHA512, 64 bytes: Mosquitto 2.
struct Pbkdf2Hash {
  std::uint32_t iterations = 0;
  std::string salt, hash;
};
/// `$6$<salt>$<hash>`, SHA-512 of the password and the salt, 64 bytes: Mosquitto 1. Passwords are quickly guessed from
/// it.
struct Sha512Hash {
  std::string salt, hash;
};
/// What a plain password can be checked against, of whatever kind.
using PasswordHash = std::variant<ScryptHash, Pbkdf2Hash, Sha512Hash, ScramKeys>;

/// Also bounds what a check may cost. On an error `why` says what is wrong, and what to do.
result<PasswordHash> parse_password_hash(std::string_view text, std::string& why);
std::string format_password_hash(const PasswordHash& hash);

/// A new hash, with scrypt and a random salt. Takes as long as a check.
PasswordHash make_password_hash(std::string_view password, ScryptCost cost = {});
/// Takes the time and memory that the hash says. Compares in constant time. False, too, when the memory is not there.
bool password_matches(const PasswordHash& hash, std::string_view password);

/// Hashes with the same text take the same time to check.
std::string password_cost(const PasswordHash& hash);
/// A hash that takes as long as `like`, and that nobody has the password of.
PasswordHash fake_password_hash(const PasswordHash& like);

/// Fills `out`. False when there is no memory for it; the bounds above are not looked at.
bool scrypt(std::string_view password, std::string_view salt, ScryptCost cost, std::span<unsigned char> out);

}  // namespace sb::auth
