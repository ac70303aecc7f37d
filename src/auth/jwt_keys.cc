// SPDX-License-Identifier: MIT
#include "auth/jwt_keys.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/base64.h"
#include "base/json.h"

namespace sb::auth {
namespace {

constexpr std::size_t kSetDepth = 8;  // a set, its list, a key, its list of certificates

bool printable(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7F; });
}

std::string_view without_line_end(std::string_view text) { return text.substr(0, text.find_last_not_of("\r\n") + 1); }

/// As an editor leaves it: a secret of random bytes may well end with those of a line end, a text does not.
std::string_view secret_of(std::string_view text) {
  const std::string_view line = without_line_end(text);
  return printable(line) ? line : text;
}

result<JwtKey> secret_of_base64(std::string_view text, const std::string& kid, std::string& why) {
  text = without_line_end(text);
  auto secret = base64_decode(text);
  if (!secret) secret = base64url_decode(text);
  if (!secret) {
    why = "the secret is not base64";
    return errc::bad_key;
  }
  auto key = JwtKey::from_secret(*secret, kid, why);
  wipe(*secret);
  return key;
}

error_code read_bounded(FILE* f, std::string& text) {
  char buffer[8192];
  for (std::size_t n; text.size() <= kJwtMaxKeyFileBytes && (n = std::fread(buffer, 1, sizeof buffer, f)) > 0;) {
    text.append(buffer, n);
  }
  OPENSSL_cleanse(buffer, sizeof buffer);
  return std::ferror(f) ? errc::file_unreadable : error_code();
}

}  // namespace

error_code JwtKeys::add_key(JwtKey key, std::string& why) {
  if (keys_.size() == kJwtMaxKeys) {
    why = fmt::format("there are more than {} keys", kJwtMaxKeys);
    return errc::bad_key;
  }
  // "Different keys within the JWK Set SHOULD use distinct "kid" values" (RFC 7517 4.5): a name that two keys have
  // leaves open which algorithm it stands for.
  const bool twice = std::any_of(keys_.begin(), keys_.end(), [&](auto& k) { return k.kid() == key.kid(); });
  if (!key.kid().empty() && twice) {
    why = fmt::format("two keys have the kid {}", key.kid());
    return errc::bad_key;
  }
  named_ = named_ || !key.kid().empty();
  keys_.push_back(std::move(key));
  return {};
}

error_code JwtKeys::add_set(std::string_view text, std::string& why, std::vector<std::string>& warnings) {
  const auto set = parse_json(text, kSetDepth);
  const auto* object = set ? set->if_object() : nullptr;
  const auto* list = object ? object->if_contains("keys") : nullptr;
  if (list == nullptr || !list->is_array()) {
    why = "expected a JWK Set: {\"keys\": [...]}";
    return errc::bad_key;
  }
  std::size_t number = 0, taken = 0;
  for (const auto& jwk : list->get_array()) {
    ++number;
    result<std::optional<JwtKey>> key = errc::bad_key;
    std::string what = "it is no object";
    if (jwk.is_object()) key = JwtKey::from_jwk(jwk.get_object(), what);
    if (key && !*key) {
      warnings.push_back(fmt::format("key {} is left out: {}", number, what));
      continue;
    }
    const error_code ec = key ? add_key(std::move(**key), what) : key.error();
    if (ec) {
      why = fmt::format("key {}: {}", number, what);
      return ec;
    }
    ++taken;
  }
  if (taken > 0) return {};
  why = "the JWK Set has no key for RS256, ES256 or HS256";
  return errc::bad_key;
}

error_code JwtKeys::add(JwtKeyForm form, std::string_view text, const std::string& kid, std::string& why,
                        std::vector<std::string>& warnings) {
  if (form == JwtKeyForm::jwks) return add_set(text, why, warnings);
  if (form == JwtKeyForm::secret || form == JwtKeyForm::secret_base64) {
    auto key =
        form == JwtKeyForm::secret ? JwtKey::from_secret(secret_of(text), kid, why) : secret_of_base64(text, kid, why);
    return key ? add_key(std::move(*key), why) : key.error();
  }
  auto keys = JwtKey::from_pem(form == JwtKeyForm::rs256_pem ? JwtAlgorithm::rs256 : JwtAlgorithm::es256, text, why);
  if (!keys) return keys.error();
  for (JwtKey& key : *keys) {
    key.set_kid(kid);
    if (error_code ec = add_key(std::move(key), why)) return ec;
  }
  return {};
}

error_code JwtKeys::add_file(const JwtKeyFile& file, std::string& why, std::vector<std::string>& warnings) {
  std::unique_ptr<FILE, int (*)(FILE*)> f(std::fopen(file.file.c_str(), "re"), std::fclose);
  std::string text;
  if (!f || read_bounded(f.get(), text)) {
    why = std::strerror(errno);
    return errc::file_unreadable;
  }
  error_code ec = errc::bad_key;
  if (text.size() > kJwtMaxKeyFileBytes) {
    why = fmt::format("the file has more than {} bytes", kJwtMaxKeyFileBytes);
  } else {
    ec = add(file.form, text, file.kid, why, warnings);
  }
  wipe(text);
  struct stat info = {};
  const bool modes = fstat(fileno(f.get()), &info) == 0;
  if (modes && (info.st_mode & S_IWOTH) != 0) {
    warnings.push_back("everybody on this machine can write it, and so let anybody in");
  } else if (modes && (info.st_mode & S_IROTH) != 0 && holds_secret()) {
    warnings.push_back("everybody on this machine can read the secret; mode 0600 is right");
  }
  return ec;
}

result<std::shared_ptr<const JwtKeys>> JwtKeys::load(std::span<const JwtKeyFile> files, std::string& why,
                                                     std::vector<std::string>& warnings) {
  auto all = std::make_shared<JwtKeys>();
  for (const JwtKeyFile& file : files) {
    JwtKeys keys;  // those of this file
    std::vector<std::string> doubts;
    error_code ec = keys.add_file(file, why, doubts);
    for (const std::string& doubt : doubts) warnings.push_back(fmt::format("{}: {}", file.file, doubt));
    for (auto key = keys.keys_.begin(); !ec && key != keys.keys_.end(); ++key) ec = all->add_key(std::move(*key), why);
    if (ec) {
      why = fmt::format("{}: {}", file.file, why);
      return ec;
    }
  }
  return std::shared_ptr<const JwtKeys>(std::move(all));
}

bool JwtKeys::holds_secret() const {
  return std::any_of(keys_.begin(), keys_.end(), [](auto& k) { return k.algorithm() == JwtAlgorithm::hs256; });
}

bool JwtKeys::fits(const JwtKey& key, const std::optional<std::string>& kid) const {
  return !kid || !named_ || (!kid->empty() && key.kid() == *kid);
}

bool JwtKeys::knows(const std::optional<std::string>& kid) const {
  return std::any_of(keys_.begin(), keys_.end(), [&](auto& key) { return fits(key, kid); });
}

std::vector<const JwtKey*> JwtKeys::candidates(JwtAlgorithm algorithm, const std::optional<std::string>& kid) const {
  std::vector<const JwtKey*> found;
  for (const JwtKey& key : keys_)
    if (key.algorithm() == algorithm && fits(key, kid)) found.push_back(&key);
  return found;
}

}  // namespace sb::auth
