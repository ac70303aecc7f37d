// SPDX-License-Identifier: MIT
#include "auth/scram_keys.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/base64.h"

namespace sb::auth {
namespace {

constexpr std::string_view kPrefix = "SCRAM-SHA-256$";

const unsigned char* bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

}  // namespace

void wipe(std::string& s) { OPENSSL_cleanse(s.data(), s.size()); }

Secret hmac_sha256(std::string_view key, std::string_view data) {
  Secret out;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(data), data.size(), out.bytes.data(), nullptr);
  return out;
}

Secret sha256(std::string_view data) {
  Secret out;
  EVP_Digest(data.data(), data.size(), out.bytes.data(), nullptr, EVP_sha256(), nullptr);
  return out;
}

Secret salted_password(std::string_view password, std::string_view salt, std::uint32_t iterations) {
  Secret out;
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt), static_cast<int>(salt.size()),
                    static_cast<int>(iterations), EVP_sha256(), static_cast<int>(out.bytes.size()), out.bytes.data());
  return out;
}

Secret client_key(const Secret& salted) { return hmac_sha256(salted.view(), "Client Key"); }
Secret server_key(const Secret& salted) { return hmac_sha256(salted.view(), "Server Key"); }

std::string random_bytes(std::size_t n) {
  std::string out(n, '\0');
  // A generator that has no entropy would make every nonce guessable: there is nothing sensible to do then.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(n)) != 1) std::abort();
  return out;
}

std::string scram_nonce() { return base64_encode(random_bytes(18)); }

ScramKeys make_scram_keys(std::string_view password, std::uint32_t iterations, std::string salt) {
  const Secret salted = salted_password(password, salt, iterations);
  return {iterations, std::move(salt), sha256(client_key(salted).view()), server_key(salted)};
}

bool password_matches(const ScramKeys& keys, std::string_view password) {
  const Secret salted = salted_password(password, keys.salt, keys.iterations);
  return sha256(client_key(salted).view()).equals(keys.stored_key);
}

result<ScramKeys> parse_scram_keys(std::string_view text, std::string& why) {
  auto wrong = [&why](std::string_view what) {
    why = what;
    return errc::file_format;
  };
  if (!text.starts_with(kPrefix)) return wrong("expected SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey");
  const std::string_view rest = text.substr(kPrefix.size());
  const std::size_t colon = rest.find(':'), dollar = rest.find('$'), second = rest.rfind(':');
  if (colon == rest.npos || dollar == rest.npos || colon > dollar || second < dollar) {
    return wrong("expected iterations:salt$StoredKey:ServerKey");
  }
  ScramKeys keys;
  auto [end, ec] = std::from_chars(rest.data(), rest.data() + colon, keys.iterations);
  if (ec != std::errc() || end != rest.data() + colon || keys.iterations < kScramMinIterations ||
      keys.iterations > kScramMaxIterations) {
    return wrong(fmt::format("the iterations must be {} to {}", kScramMinIterations, kScramMaxIterations));
  }
  auto salt = base64_decode(rest.substr(colon + 1, dollar - colon - 1));
  if (!salt || salt->empty()) return wrong("the salt is not base64");
  auto stored = decode_secret(rest.substr(dollar + 1, second - dollar - 1)),
       server = decode_secret(rest.substr(second + 1));
  if (!stored || !server) return wrong("StoredKey and ServerKey must be the base64 of 32 bytes");
  keys.salt = std::move(*salt);
  keys.stored_key = *stored;
  keys.server_key = *server;
  return keys;
}

std::string format_scram_keys(const ScramKeys& keys) {
  return fmt::format("{}{}:{}${}:{}", kPrefix, keys.iterations, base64_encode(keys.salt),
                     base64_encode(keys.stored_key.view()), base64_encode(keys.server_key.view()));
}

std::optional<std::string_view> take_attribute(std::string_view& rest, char name) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return std::nullopt;
  const std::size_t comma = rest.find(',');
  const std::string_view value = rest.substr(2, comma == std::string_view::npos ? comma : comma - 2);
  rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  return value;
}

std::string escape_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> unescape_name(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    // "If the server receives a username that contains '=' not followed by either '2C' or '3D', then the server MUST
    // fail the authentication" (RFC 5802 5.1).
    const std::string_view code = text.substr(i + 1, 2);
    if (code != "2C" && code != "3D") return std::nullopt;
    out += code == "2C" ? ',' : '=';
    i += 2;
  }
  return out;
}

std::optional<Secret> decode_secret(std::string_view base64) {
  auto decoded = base64_decode(base64);
  if (!decoded) return std::nullopt;
  Secret out;
  const bool fits = decoded->size() == out.bytes.size();
  if (fits) std::copy(decoded->begin(), decoded->end(), out.bytes.begin());
  wipe(*decoded);
  if (!fits) return std::nullopt;
  return out;
}

}  // namespace sb::auth
