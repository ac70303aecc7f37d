// SPDX-License-Identifier: MIT
#include "redis/command.h"

#include <charconv>
#include <cstring>

namespace sb::redis {
namespace {

constexpr std::size_t kMaxHead = 24;  // a mark, a number, CR LF

std::size_t digits(std::size_t n) {
  std::size_t d = 1;
  while (n >= 10) n /= 10, ++d;
  return d;
}

char* put_head(char* to, char mark, std::size_t n) {
  *to++ = mark;
  to = std::to_chars(to, to + kMaxHead, n).ptr;
  *to++ = '\r';
  *to++ = '\n';
  return to;
}

}  // namespace

std::size_t encoded_size(Args command) {
  std::size_t size = 3 + digits(command.size());
  for (std::string_view word : command) size += 5 + digits(word.size()) + word.size();
  return size;
}

void encode(OutBuffer& out, Args command) {
  char* begin = out.reserve(kMaxHead);
  out.commit(static_cast<std::size_t>(put_head(begin, '*', command.size()) - begin));
  for (std::string_view word : command) {
    begin = out.reserve(kMaxHead + word.size() + 2);
    char* to = put_head(begin, '$', word.size());
    if (!word.empty()) std::memcpy(to, word.data(), word.size());
    to += word.size();
    *to++ = '\r';
    *to++ = '\n';
    out.commit(static_cast<std::size_t>(to - begin));
  }
}

}  // namespace sb::redis
