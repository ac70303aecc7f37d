// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/out_buffer.h"

namespace sb::redis {

/// A command's name and its arguments: of the call only, they are copied into the output. From a list in braces, or
/// from anything that is a row of string_views.
class Args {
 public:
  Args(std::initializer_list<std::string_view> list) : words_(list.begin(), list.size()) {}
  Args(std::span<const std::string_view> words) : words_(words) {}
  auto begin() const { return words_.begin(); }
  auto end() const { return words_.end(); }
  std::size_t size() const { return words_.size(); }

 private:
  std::span<const std::string_view> words_;
};

/// Bytes that encode() will write.
std::size_t encoded_size(Args command);
/// As an array of bulk strings.
void encode(OutBuffer& out, Args command);

}  // namespace sb::redis
