// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>

#include <functional>
#include <string>
#include <string_view>

namespace sb {

/// A hash that nobody outside can make collide: it is seeded by where the process lies in memory. Not for what is
/// stored.
inline std::size_t hash_bytes(std::string_view s) {
  return absl::Hash<absl::string_view>{}(absl::string_view(s.data(), s.size()));
}

/// Lets string keys be looked up by view. (Abseil as packaged has a string_view of its own.)
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const { return hash_bytes(s); }
};

template <class V>
using StringMap = absl::flat_hash_map<std::string, V, StringHash, std::equal_to<>>;
using StringSet = absl::flat_hash_set<std::string, StringHash, std::equal_to<>>;

}  // namespace sb
