// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace sb::store {

/// Names of the keys in Redis (DESIGN: Redis). What one script touches shares a hash tag; braces in names are
/// percent-encoded, and long names hashed.
class RedisKeys {
 public:
  static constexpr std::size_t kShards = 64;  ///< of what is sharded: `lg`, `x`, `rt`

  /// `prefix`: of all keys ("sb:"); `cluster`: name of the cluster.
  explicit RedisKeys(std::string prefix = "sb:", std::string cluster = "default");

  std::string nodes() const;                                              ///< hash: members
  std::string node(std::string_view node, std::string_view what) const;   ///< what: "epoch", "lease", "routes", ...
  std::string inbox(std::string_view node, std::string_view from) const;  ///< stream: envelopes for `node`
  std::string logs(std::size_t shard) const;                              ///< hash: filter -> incarnation
  static std::size_t shard_of(std::string_view name);                     ///< of a filter or client id
  std::string log(std::string_view filter) const;                         ///< stream
  std::string log_state(std::string_view filter) const;                   ///< hash: head, history, writers
  std::string log_members(std::string_view filter) const;                 ///< zset: lower bounds
  /// string: whoever finds it there talks to the same Redis as who put it there, or to one that follows on it.
  std::string session_mark(std::string_view client_id, std::uint64_t mark) const;
  std::string session(std::string_view client_id) const;  ///< hash
  std::string retained(std::string_view topic) const;     ///< hash
  std::string retained_topics(std::size_t shard) const;   ///< hash: topics that have one
  std::string schedule(std::size_t shard) const;          ///< zset: sessions and wills that are due
  const std::string& prefix() const { return prefix_; }

 private:
  std::string tagged(char kind, std::string_view name, std::string_view rest = {}) const;
  const std::string prefix_, cluster_;
};

/// A name as it stands in a key: printable, without braces; longer ones as their beginning and a hash of all.
std::string key_name(std::string_view name);

}  // namespace sb::store
