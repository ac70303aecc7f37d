// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <string>

#include "ports/retained_store.h"
#include "store/embedded_engine.h"

namespace sb::store::embedded {

/// Retained messages on the disk, by topic; none of them in memory.
class EmbeddedRetained final : public ports::RetainedStore, public Part {
 public:
  explicit EmbeddedRetained(EmbeddedEngine& engine);

  void set(model::MessagePtr m, Done<void> done) override;
  void match(std::string_view filter, std::string resume, std::size_t max, WallTime now, Done<Page> done) override;
  std::size_t count() const override { return count_.load(std::memory_order_relaxed); }

  // --- Part
  std::string load() override;

 private:
  static constexpr int kSteps = 2000;  ///< of one request
  static constexpr std::size_t kPageBytes = 1024 * 1024;
  result<Page> read_page(const std::string& filter, const std::string& resume, std::size_t max, WallTime now);
  void erase(std::string_view topic);
  static std::uint64_t cost(std::string_view topic, std::string_view value) { return topic.size() + value.size(); }
  void count(std::int64_t messages, std::uint64_t more, std::uint64_t less);

  EmbeddedEngine& engine_;
  std::atomic<std::size_t> count_{0};
};

}  // namespace sb::store::embedded
