// SPDX-License-Identifier: MIT
#include "redis/script.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <utility>

namespace sb::redis {
namespace {

std::string sha1_hex(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

Script::Script(std::string text) : source(std::move(text)), sha(sha1_hex(source)) {}

}  // namespace sb::redis
