// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <memory>

#include "auth/rights_document.h"

namespace sb::auth {

/// Rights of one client that change under the session that holds them. Asking them takes one load more than asking the
/// rules themselves: no lock, and no count of references.
///
/// So somebody has to say when rules that were replaced are no longer looked at. A question is asked and answered
/// within one task of a shard: once each shard has run a task since, none is. See RightsKeeper::take_changes().
/// Threads: any for the questions, one at a time for replace().
class LiveRights final : public ports::Rights {
 public:
  using Ptr = boost::intrusive_ptr<LiveRights>;

  /// Never null, as everywhere here.
  explicit LiveRights(DocumentRights::Ptr rules) : rules_(rules.detach()) {}
  ~LiveRights() override { intrusive_ptr_release(&rules()); }

  /// Gives the rules from before: they have to be kept as long as somebody may still look at them.
  [[nodiscard]] DocumentRights::Ptr replace(DocumentRights::Ptr by) {
    return {rules_.exchange(by.detach(), std::memory_order_acq_rel), false};
  }
  /// For who calls replace().
  const DocumentRights& rules() const { return *rules_.load(std::memory_order_acquire); }

  bool may_publish(const ports::Subject& who, std::string_view topic, bool retain) const override {
    return rules().may_publish(who, topic, retain);
  }
  bool may_subscribe(const ports::Subject& who, std::string_view filter) const override {
    return rules().may_subscribe(who, filter);
  }
  bool may_receive(const ports::Subject& who, std::string_view topic) const override {
    return rules().may_receive(who, topic);
  }
  bool may_receive_all(const ports::Subject& who, std::string_view filter) const override {
    return rules().may_receive_all(who, filter);
  }

 private:
  std::atomic<const DocumentRights*> rules_;  ///< counts as a reference
};

}  // namespace sb::auth
