// SPDX-License-Identifier: MIT
#pragma once
#include <openssl/crypto.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace sb::auth {

/// A password that waits for something. Unlike a std::string, which keeps short texts in itself and leaves them behind
/// where it was moved from, it is in one place only, and wiped there when it goes.
class SecretText {
 public:
  explicit SecretText(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
    if (!text.empty()) std::memcpy(bytes_.get(), text.data(), size_);
  }
  SecretText(SecretText&& o) noexcept : bytes_(std::move(o.bytes_)), size_(std::exchange(o.size_, 0)) {}
  SecretText& operator=(SecretText&&) = delete;
  ~SecretText() {
    if (bytes_) OPENSSL_cleanse(bytes_.get(), size_);
  }

  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

}  // namespace sb::auth
