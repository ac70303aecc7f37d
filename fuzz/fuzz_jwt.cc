// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt.h"
#include "auth/scram_keys.h"
#include "base/base64.h"

namespace {

using namespace sb::auth;

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";

const JwtVerifier& verifier() {
  static const JwtVerifier v = [] {
    auto keys = std::make_shared<JwtKeys>();
    std::string why;
    std::vector<std::string> warnings;
    if (keys->add(JwtKeyForm::secret, kSecret, {}, why, warnings)) std::abort();
    return JwtVerifier(keys, {.require_expiry = false, .require = {{"iss", "%u"}}});
  }();
  return v;
}

bool verified(std::string_view token) {
  const auto r = verifier().verify(token, "client", "user", sb::WallTime(sb::Seconds(1'800'000'000)));
  if (!r) return false;
  if (r->username.empty() || r->expires <= sb::WallTime()) std::abort();
  const sb::ports::Subject who{"client", r->username}, joker{"#", "+"};
  if (r->rights && (r->rights->may_publish(who, "$SYS/x", false) || r->rights->may_publish(joker, "$SYS", true))) {
    std::abort();
  }
  return true;
}

}  // namespace

// The bytes as a token, which nobody has signed; as header and claims (a line each) of one that somebody has; and as
// a file with keys.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view first = input.substr(0, input.find('\n'));
  const std::string_view rest = first.size() == size ? std::string_view() : input.substr(first.size() + 1);
  const std::string text = sb::base64url_encode(first) + "." + sb::base64url_encode(rest);
  const std::string signature = sb::base64url_encode(hmac_sha256(kSecret, text).view());
  if (verified(input) || verified(text + ".") || verified(text + "." + sb::base64url_encode(first))) std::abort();
  verified(text + "." + signature);
  // OpenSSL takes its time for each PEM text, so only for what may be one.
  std::vector<JwtKeyForm> forms = {JwtKeyForm::secret, JwtKeyForm::secret_base64};
  if (input.starts_with('{')) forms = {JwtKeyForm::jwks};
  if (input.starts_with('-')) forms = {JwtKeyForm::rs256_pem, JwtKeyForm::es256_pem};
  for (JwtKeyForm form : forms) {
    JwtKeys keys;
    std::string why;
    std::vector<std::string> warnings;
    if (keys.add(form, input, {}, why, warnings) ? why.empty() : keys.size() == 0) std::abort();
  }
  return 0;
}
