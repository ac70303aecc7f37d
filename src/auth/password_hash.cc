// SPDX-License-Identifier: MIT
#include "auth/password_hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "base/base64.h"

namespace sb::auth {
namespace {

constexpr std::size_t kScryptBytes = 32, kSha512Bytes = 64, kSaltBytes = 16, kMaxSalt = 1024;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

const unsigned char* bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

/// What a password was turned into; wiped when it goes.
template <std::size_t N>
struct Derived {
  std::array<unsigned char, N> bytes{};
  bool good = false;

  ~Derived() { OPENSSL_cleanse(bytes.data(), N); }
  bool equals(std::string_view hash) const {
    return good && hash.size() == N && CRYPTO_memcmp(bytes.data(), hash.data(), N) == 0;
  }
};

bool matches(const ScryptHash& h, std::string_view password) {
  Derived<kScryptBytes> d;
  d.good = scrypt(password, h.salt, h.cost, d.bytes);
  return d.equals(h.hash);
}

bool matches(const Pbkdf2Hash& h, std::string_view password) {
  Derived<kSha512Bytes> d;
  d.good = PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(h.salt),
                             static_cast<int>(h.salt.size()), static_cast<int>(h.iterations), EVP_sha512(),
                             static_cast<int>(d.bytes.size()), d.bytes.data()) == 1;
  return d.equals(h.hash);
}

bool matches(const Sha512Hash& h, std::string_view password) {
  Derived<kSha512Bytes> d;
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> md(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  d.good = md && EVP_DigestInit_ex(md.get(), EVP_sha512(), nullptr) == 1 &&
           EVP_DigestUpdate(md.get(), password.data(), password.size()) == 1 &&
           EVP_DigestUpdate(md.get(), h.salt.data(), h.salt.size()) == 1 &&
           EVP_DigestFinal_ex(md.get(), d.bytes.data(), nullptr) == 1;
  return d.equals(h.hash);
}

bool matches(const ScramKeys& keys, std::string_view password) { return password_matches(keys, password); }

/// Cuts what stands before the next "$" off `rest`, and the "$".
std::string_view take_field(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('$'), rest.size());
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return field;
}

/// Cuts `prefix` and a decimal number off `rest`.
bool take_number(std::string_view& rest, std::string_view prefix, std::uint32_t& number) {
  if (!rest.starts_with(prefix)) return false;
  rest.remove_prefix(prefix.size());
  const auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (ec != std::errc()) return false;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return true;
}

std::optional<std::string> decode(std::string_view base64) {
  if (base64.ends_with('=')) return base64_decode(base64);
  return base64_decode(std::string(base64).append((4 - base64.size() % 4) % 4, '='));
}

std::string encode_unpadded(std::string_view bytes) {
  std::string text = base64_encode(bytes);
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

/// Reads `<salt>$<hash>`, which ends the text. What is wrong with it, or "".
std::string read_salt_and_hash(std::string_view rest, std::size_t hash_bytes, std::string& salt, std::string& hash) {
  auto s = decode(take_field(rest)), h = decode(rest);
  if (!s || s->empty() || s->size() > kMaxSalt) return fmt::format("the salt is not base64 of 1 to {} bytes", kMaxSalt);
  if (!h || h->size() != hash_bytes) return fmt::format("the hash is not base64 of {} bytes", hash_bytes);
  salt = std::move(*s);
  hash = std::move(*h);
  return {};
}

std::string read(std::string_view rest, ScryptHash& h) {
  std::string_view cost = take_field(rest);
  if (!take_number(cost, "ln=", h.cost.ln) || !take_number(cost, ",r=", h.cost.r) ||
      !take_number(cost, ",p=", h.cost.p) || !cost.empty()) {
    return "expected $scrypt$ln=N,r=N,p=N$salt$hash";
  }
  const auto [ln, r, p] = h.cost;
  // Each alone first, so that the products do not overflow.
  if (ln < 10 || ln > 20 || r < 1 || r > 64 || p < 1 || p > 64 || (128ull * r << ln) > kScryptMaxMemory ||
      (std::uint64_t{r} * p << ln) > kScryptMaxWork) {
    return fmt::format(
        "scrypt with ln={},r={},p={} is not taken: ln must be 10 to 20, memory (128*r*2^ln) at most {} MiB and work "
        "(r*p*2^ln) at most 2^21; set the password again with `signalbox passwd`",
        ln, r, p, kScryptMaxMemory >> 20);
  }
  return read_salt_and_hash(rest, kScryptBytes, h.salt, h.hash);
}

std::string read(std::string_view rest, Pbkdf2Hash& h) {
  std::string_view number = take_field(rest);
  if (!take_number(number, "", h.iterations) || !number.empty() || h.iterations < 1 ||
      h.iterations > kPbkdf2MaxIterations) {
    return fmt::format("the iterations must be 1 to {}", kPbkdf2MaxIterations);
  }
  return read_salt_and_hash(rest, kSha512Bytes, h.salt, h.hash);
}

std::string read(std::string_view rest, Sha512Hash& h) {
  return read_salt_and_hash(rest, kSha512Bytes, h.salt, h.hash);
}

template <class Hash>
result<PasswordHash> parsed(std::string_view rest, std::string& why) {
  Hash hash;
  why = read(rest, hash);
  if (!why.empty()) return errc::file_format;
  return PasswordHash(std::move(hash));
}

}  // namespace

bool scrypt(std::string_view password, std::string_view salt, ScryptCost cost, std::span<unsigned char> out) {
  // The bound is OpenSSL's, on all of its memory together; ours was kept when the hash was read.
  return EVP_PBE_scrypt(password.data(), password.size(), bytes(salt), salt.size(), 1ull << cost.ln, cost.r, cost.p,
                        2 * kScryptMaxMemory, out.data(), out.size()) == 1;
}

result<PasswordHash> parse_password_hash(std::string_view text, std::string& why) {
  if (!text.starts_with('$')) {
    auto keys = parse_scram_keys(text, why);
    if (!keys) return keys.error();
    return PasswordHash(std::move(*keys));
  }
  std::string_view rest = text.substr(1);
  const std::string_view kind = take_field(rest);
  if (kind == "scrypt") return parsed<ScryptHash>(rest, why);
  if (kind == "7") return parsed<Pbkdf2Hash>(rest, why);
  if (kind == "6") return parsed<Sha512Hash>(rest, why);
  why = "hashes of this kind are not known; set the password again with `signalbox passwd`";
  return errc::file_format;
}

std::string format_password_hash(const PasswordHash& hash) {
  return std::visit(
      Overloaded{
          [](const ScryptHash& h) {
            return fmt::format("$scrypt$ln={},r={},p={}${}${}", h.cost.ln, h.cost.r, h.cost.p, encode_unpadded(h.salt),
                               encode_unpadded(h.hash));
          },
          [](const Pbkdf2Hash& h) {
            return fmt::format("$7${}${}${}", h.iterations, base64_encode(h.salt), base64_encode(h.hash));
          },
          [](const Sha512Hash& h) { return fmt::format("$6${}${}", base64_encode(h.salt), base64_encode(h.hash)); },
          [](const ScramKeys& keys) { return format_scram_keys(keys); },
      },
      hash);
}

PasswordHash make_password_hash(std::string_view password, ScryptCost cost) {
  ScryptHash made{cost, random_bytes(kSaltBytes), {}};
  Derived<kScryptBytes> d;
  // Without memory there is nothing to go on with, as with any other allocation; a hash of nothing must not come out.
  if (!scrypt(password, made.salt, cost, d.bytes)) std::abort();
  made.hash.assign(reinterpret_cast<const char*>(d.bytes.data()), d.bytes.size());
  return made;
}

bool password_matches(const PasswordHash& hash, std::string_view password) {
  return std::visit([&](const auto& h) { return matches(h, password); }, hash);
}

std::string password_cost(const PasswordHash& hash) {
  return std::visit(
      Overloaded{
          [](const ScryptHash& h) { return fmt::format("scrypt {},{},{}", h.cost.ln, h.cost.r, h.cost.p); },
          [](const Pbkdf2Hash& h) { return fmt::format("pbkdf2 {}", h.iterations); },
          [](const Sha512Hash&) { return std::string("sha512"); },
          [](const ScramKeys& keys) { return fmt::format("scram {}", keys.iterations); },
      },
      hash);
}

PasswordHash fake_password_hash(const PasswordHash& like) {
  PasswordHash fake = like;
  std::visit(Overloaded{
                 [](ScramKeys& keys) { keys.stored_key = hmac_sha256(random_bytes(32), "fake"); },
                 [](auto& h) { h.hash = random_bytes(h.hash.size()); },
             },
             fake);
  return fake;
}

}  // namespace sb::auth
