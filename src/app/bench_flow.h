// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/bench_sequence.h"
#include "app/bench_worker.h"

namespace sb::app {

/// What each message carries in front of its filling.
struct BenchStamp {
  std::uint64_t sent_ns;  ///< CLOCK_MONOTONIC
  std::uint32_t publisher;
  std::uint32_t magic;
  std::uint64_t sequence;  ///< of this publisher, from 0
};
inline constexpr std::uint32_t kBenchMagic = 0x48434253;

class FlowRole;

/// Publishes as fast as its window or the pace allows.
class BenchPublisher final : public BenchClient {
 public:
  BenchPublisher(BenchWorker& worker, FlowRole& flow, std::uint32_t index, const client::Options& options,
                 std::string id, std::string topic);

  /// Fills the window. False when it is full.
  void fill();
  /// One message, paced. False when it cannot be sent now.
  bool publish_one(std::uint64_t now_ns);
  /// The window opens again when nothing has moved since the last call.
  void check_stall();

 private:
  void on_connected(const mqtt::Connack&) override;
  void on_published(std::uint64_t, mqtt::Reason reason, std::string_view) override;
  void on_room() override { want_fill(); }
  void want_fill();
  std::uint64_t under_way() const;  ///< deliveries that are still to come

  friend class FlowRole;
  FlowRole& flow_;
  std::string topic_, payload_;
  std::uint64_t sent_ = 0;
  std::uint64_t written_off_ = 0;  ///< deliveries that are no longer waited for
  std::uint64_t seen_delivered_ = 0;
  bool listed_ = false;
};

class BenchSubscriber final : public BenchClient {
 public:
  /// `trackers`: one for each publisher it hears, or one when it hears only `only`; those of a shared group are common.
  BenchSubscriber(BenchWorker& worker, FlowRole& flow, std::uint32_t index, const client::Options& options,
                  std::string id, std::string filter, std::vector<SequenceTracker>* group, int only);

 private:
  void on_connected(const mqtt::Connack&) override;
  void on_suback(const mqtt::SubscribeAck& a) override;
  void on_message(const mqtt::Publish& m) override;

  FlowRole& flow_;
  std::string filter_;
  std::vector<SequenceTracker> own_;
  std::vector<SequenceTracker>* trackers_;
  int only_;  ///< index of the one publisher that it hears, -1 = all
};

/// The publishers of one worker, and the way back from deliveries to windows.
class FlowRole final : public BenchRole {
 public:
  explicit FlowRole(BenchWorker& worker);

  void add(BenchPublisher* p) { publishers_.push_back(p); }
  void want_fill(BenchPublisher* p) { fill_.push_back(p); }
  /// A message of publisher `p` has arrived here.
  void delivered(std::uint32_t p) {
    if (arrived_[p]++ == 0) touched_.push_back(p);
  }
  bool publishing() const;
  bool paced() const { return rate_ > 0; }

 private:
  void on_turn() override;
  void on_tick(std::uint64_t now_ns) override;
  void on_phase(BenchPhase p) override;
  void tell_deliveries();
  void pace(std::uint64_t now_ns);

  BenchWorker& worker_;
  double rate_;  ///< messages a second of this worker
  std::vector<BenchPublisher*> publishers_, fill_, filling_;
  std::vector<std::uint32_t> arrived_, touched_;  ///< since the last turn, by publisher
  std::uint64_t begin_ns_ = 0, due_done_ = 0, stall_check_ns_ = 0;
  std::size_t turn_ = 0;  ///< whose turn it is to publish
};

/// Makes the clients of a publishing scenario and spreads them over the workers: subscribers first, in each worker.
/// @return how many of each worker's clients are subscribers
std::vector<std::size_t> build_flow(BenchShared& shared, const client::Options& pub_options,
                                    const client::Options& sub_options, std::vector<SequenceTracker>& group);

}  // namespace sb::app
