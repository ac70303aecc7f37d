// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redis/client.h"

namespace sb::redis {

/// One Client::call() until its end.
class Client::Repeated final : Handler, io::Timer {
 public:
  using Self = std::list<std::unique_ptr<Repeated>>::iterator;

  Repeated(Client& client, std::vector<std::string> words, std::uint16_t slot, Millis within,
           std::function<void(Outcome&)> done, unsigned lane);
  ~Repeated() { loop_.timers().cancel(*this); }

  void start(Self self);
  /// The client ends.
  void give_up();

 private:
  void on_outcome(Outcome& outcome, std::uint64_t) override;
  void on_timer() override { attempt(); }
  void attempt();
  void again(Outcome& last);
  void finish(Outcome& outcome);

  Client& client_;
  io::EventLoop& loop_;
  const std::vector<std::string> words_;
  const std::uint16_t slot_;
  const unsigned lane_;
  const MonoTime end_;
  std::function<void(Outcome&)> done_;
  std::optional<Redirect> asked_;  ///< where the next attempt goes, instead of to the primary
  Self self_;
};

}  // namespace sb::redis
