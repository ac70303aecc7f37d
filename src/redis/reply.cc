// SPDX-License-Identifier: MIT
#include "redis/reply.h"

#include <charconv>

namespace sb::redis {
namespace {
constexpr std::size_t kKeptBytes = 1 << 20, kKeptNodes = 1 << 14;  // of memory, for the next reply
}  // namespace

void Reply::clear() {
  nodes_.clear();
  bytes_.clear();
  if (bytes_.capacity() > kKeptBytes) std::string().swap(bytes_);
  if (nodes_.capacity() > kKeptNodes) std::vector<Node>().swap(nodes_);
}

void Reply::finish() {
  // From the back, each array finds its elements' ends known.
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    std::size_t next = i + 1;
    if (nodes_[i].type == Type::array)
      for (std::size_t k = 0; k < nodes_[i].size; ++k) next = nodes_[next].next;
    nodes_[i].next = static_cast<std::uint32_t>(next);
  }
}

std::string_view Reply::View::text() const {
  if (!is_text() && !is_error()) return {};
  return std::string_view(reply_->bytes_).substr(static_cast<std::size_t>(node_->value), node_->size);
}

std::optional<std::int64_t> Reply::View::integer() const {
  if (type() == Type::integer) return node_->value;
  const std::string_view t = text();
  std::int64_t n = 0;
  auto [rest, error] = std::from_chars(t.data(), t.data() + t.size(), n);
  if (!is_text() || t.empty() || error != std::errc() || rest != t.data() + t.size()) return std::nullopt;
  return n;
}

Reply::View Reply::View::operator[](std::size_t i) const {
  if (i >= size()) return {};
  Iterator it = begin();
  while (i-- > 0) ++it;
  return *it;
}

}  // namespace sb::redis
