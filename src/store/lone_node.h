// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "redis/writer.h"
#include "store/node_life.h"
#include "store/redis_keys.h"

namespace sb::store {

/// A node that has Redis to itself: every other node is no more. Its epoch stands in `sb:{n:NODE}:epoch`, and when it
/// was last alive in `sb:{n:NODE}:seen`, a few seconds old: sessions of an earlier run of it left then. Owner: the
/// store thread.
class LoneNode final : public NodeLife, io::Timer {
 public:
  /// `ready` (may be null): the epoch is confirmed.
  LoneNode(redis::Writer& writer, const RedisKeys& keys, std::string name, std::function<void()> ready = nullptr);
  ~LoneNode();
  /// To be among Options::scripts of the writer.
  static std::shared_ptr<const redis::Script> script();

  std::string_view name() const override { return name_; }
  std::uint64_t epoch() const override { return epoch_; }
  std::optional<WallTime> died(std::string_view node, std::uint64_t epoch) const override;
  Share share() const override { return {}; }
  void let_go(const std::string&, std::uint64_t, MonoTime, std::function<void(bool)> done) override { done(true); }

 private:
  class Row;
  void on_timer() override;
  void began(std::uint64_t epoch, WallTime seen);

  redis::Writer& writer_;
  const std::string name_, seen_key_;
  std::function<void()> ready_;
  std::uint64_t epoch_ = 0;
  WallTime before_{};  ///< earlier runs had ended then
  std::unique_ptr<Row> row_;
  std::unique_ptr<redis::Repeatable> seen_;
};

}  // namespace sb::store
