// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <utility>

#include "base/hash_map.h"
#include "ports/log_store.h"
#include "ports/session_store.h"

namespace sb::store {

/// Session records in memory, with the schedule of what is due. Answers at once. Owner: one thread, but for any().
class MemorySessions final : public ports::SessionStore {
 public:
  /// `limit`: sessions; above, a claim for a new one is refused with errc::quota.
  explicit MemorySessions(ports::LogStore& logs, std::size_t limit = SIZE_MAX) : logs_(logs), limit_(limit) {}

  bool any() const override { return count_.load(std::memory_order_acquire) > 0; }
  void claim(Claim c, Done<Claimed> done) override;
  void change(std::string_view client_id, std::uint64_t epoch, ports::SessionChange c, Done<void> done) override;
  void end(std::string_view client_id, std::uint64_t epoch, Done<void> done) override;
  void outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) override;
  void take_due(WallTime now, Done<std::vector<Due>> done) override;
  void fired(std::uint64_t) override {}  // what is in memory is not away, and ends with the process

  std::size_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  /// A record, with what changes piecemeal where it is found at once: `record` has none of it.
  struct Stored {
    model::SessionRecord record;
    StringMap<model::SubscriptionRecord> subscriptions;
    absl::flat_hash_map<std::uint16_t, model::OutboundRecord> outbound;
    absl::btree_map<std::uint16_t, model::InboundRecord> inbound;
    model::SessionRecord whole() const;
    void apply(ports::SessionChange& c);
  };
  void forget(StringMap<Stored>::iterator it);
  static WallTime next_due(const model::SessionRecord& r);
  void schedule(const model::SessionRecord& r);
  void unschedule(const model::SessionRecord& r);

  ports::LogStore& logs_;
  const std::size_t limit_;
  StringMap<Stored> records_;
  absl::btree_set<std::pair<WallTime, std::string>> due_;
  std::uint64_t next_incarnation_ = 1, next_epoch_ = 1, next_will_ = 1;
  std::atomic<std::size_t> count_{0};
};

}  // namespace sb::store
