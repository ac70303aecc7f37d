// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/btree_map.h>

#include <atomic>
#include <string>

#include "ports/retained_store.h"

namespace sb::store {

/// Retained messages in memory, in the order of topics. Answers at once. Owner: one thread, but for count().
class MemoryRetained final : public ports::RetainedStore {
 public:
  /// At most so many messages, and bytes of them with their topics.
  MemoryRetained(std::size_t limit, std::size_t bytes) : limit_(limit), bytes_limit_(bytes) {}

  void set(model::MessagePtr m, Done<void> done) override;
  void match(std::string_view filter, std::string resume, std::size_t max, WallTime now, Done<Page> done) override;
  std::size_t count() const override { return count_.load(std::memory_order_relaxed); }

 private:
  using Messages = absl::btree_map<std::string, model::MessagePtr>;
  static std::size_t cost(const model::MessagePtr& m) { return m->footprint() + m->view().topic.size(); }
  Messages::iterator erase(Messages::iterator it);

  const std::size_t limit_, bytes_limit_;
  std::size_t bytes_ = 0;
  Messages messages_;
  std::atomic<std::size_t> count_{0};
};

/// The part of a filter before its first wildcard level.
std::string_view literal_prefix(std::string_view filter);

/// Where a walk over topics in byte order goes on from `topic`, which does not match `filter`: the least string above
/// `topic` that a matching topic can have in front of it, "" when none follows. Skips whole subtrees.
std::string next_candidate(std::string_view filter, std::string_view topic);

}  // namespace sb::store
