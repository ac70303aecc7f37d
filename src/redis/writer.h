// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "redis/client.h"
#include "redis/target.h"
#include "redis/writer_pipe.h"

namespace sb::redis {

/// What holds up others has a connection of its own to each primary (Client).
enum Lane : unsigned {
  kWrites = 0,    ///< targets, and WAIT behind them
  kControl = 1,   ///< leases, epochs, short scripts that nobody waits behind
  kReads = 2,     ///< pages of logs
  kBlocking = 3,  ///< XREAD BLOCK
};

struct WriterOptions {
  enum class Concern : std::uint8_t {
    primary,  ///< the primary has it in memory
    replica,  ///< and `replicas` replicas too (WAIT)
    fsync,    ///< on the disk of the primary, which has appendfsync always: that is checked elsewhere
  } concern = Concern::primary;
  unsigned replicas = 1;
  /// What a primary without any replica means for `replica`: wait, or go on as with `primary`, counted.
  bool degrade = true;
  std::size_t redo_bytes = 512u << 20;  ///< bound of the redo ring
  Seconds keep{30};                     ///< that a confirmed batch can be repeated
  std::string prefix = "sb:";           ///< of the writer's own keys
};

/// Takes batches of targets to Redis, at the write concern, and again whenever Redis may have forgotten them: after a
/// lost connection, a refusal, a failover. PROTOCOLS 1.
///
/// One flush is under way per primary: commands of all targets that are ready, one each, and a WAIT; what comes
/// meanwhile gathers for the next one. Confirmed batches are kept for a while in the redo ring, which is bounded: half
/// full it slows its users down, full it stops all but essential targets. Owner: the loop's thread.
class Writer final : Client::Listener, io::TurnEnd, io::Timer {
 public:
  struct Stats {
    std::uint64_t flushes = 0, batches = 0, repeated = 0, repairs = 0;
    std::uint64_t lost = 0;          ///< batches that Redis lacks and that were not kept any more
    std::uint64_t degraded = 0;      ///< flushes that were confirmed although no replica has them
    std::uint64_t unreplicated = 0;  ///< WAITs that fewer replicas answered than asked for
    std::size_t kept_bytes = 0;
  };

  /// `other`: is told of connections of all lanes; may be null.
  Writer(io::EventLoop& loop, const Url& url, Options options, WriterOptions w, Client::Listener* other = nullptr);
  ~Writer();

  void start() { client_.start(); }
  Client& client() { return client_; }
  io::EventLoop& loop() { return loop_; }
  const WriterOptions& options() const { return options_; }
  const Stats& stats() const { return stats_; }
  /// For a while no primary has confirmed anything that was asked of it; why, in words. "" while all is well.
  std::string trouble() const;
  /// Nothing is flushed from then on, until a later time is given: whoever lost his right to write may not have
  /// noticed.
  void allow_until(MonoTime t) {
    allowed_until_ = t;
    if (!held()) schedule_run();
  }
  /// Something waits, or is not confirmed.
  bool busy() const;
  /// Redis may lack something that it was sent before a connection went: it has not got all of it again.
  bool repairing() const { return repairing_ > 0; }
  /// When it last had to be asked what it has of something, or a connection to it was made or lost.
  MonoTime doubted_at() const { return doubted_at_; }
  /// Counts the connections that were made and lost: who asks again over another one may ask another Redis.
  std::uint64_t reconnections() const { return reconnections_; }
  /// Bytes that can be added now without waiting; new work is better refused or held back when there are none.
  bool has_room() const { return stats_.kept_bytes < options_.redo_bytes; }

 private:
  friend class Target;
  friend class WriterPipe;
  static constexpr Millis kTick{30};  ///< pause before a refused target asks what Redis has

  void on_up(Connection& c, unsigned lane) override;
  void on_down(Connection& c, unsigned lane) override;
  void on_end_of_turn() override;
  void on_timer() override;

  // --- from targets and pipes
  /// The target has something to send or to ask.
  void schedule(Target& t);
  /// The same, a little later.
  void schedule_later(Target& t);
  void forget(Target& t);
  /// Whether a new batch may be made now.
  bool takes(const Target& t) const;
  void sent_first(Batch& b);
  void confirmed(Target& t, Batch& b);
  void release(Batch& b);

  bool held() const { return loop_.now() >= allowed_until_; }
  void schedule_run();
  void run();
  void assign(Target& t);
  void tick();
  void age();
  void drop_old(Target& t, MonoTime old);
  void see_whether_idle(Target& t);
  WriterPipe& pipe(const Endpoint& e);

  io::EventLoop& loop_;
  const WriterOptions options_;
  Client::Listener* other_;
  Stats stats_;
  std::size_t repairing_ = 0;  ///< targets
  MonoTime doubted_at_ = MonoTime::min();
  std::uint64_t reconnections_ = 0;
  void doubted() { doubted_at_ = loop_.now(); }
  void reconnected() {
    ++reconnections_;
    doubted();
  }
  std::map<Endpoint, WriterPipe> pipes_;
  std::deque<Target*> scheduled_, later_;
  /// One for each confirmed batch, in the order of their confirmation.
  struct Aging {
    Target* target;
    MonoTime since;
  };
  std::deque<Aging> aging_;
  std::size_t budget_ = 0;  ///< bytes that may be added until the next tick, when the ring is half full
  bool turn_end_ = false;   ///< run() will be called
  MonoTime next_tick_{};
  MonoTime allowed_until_ = kNever;
  MonoTime no_primary_since_ = kNever;
  Client client_;  ///< last: its end tells handlers
};

}  // namespace sb::redis
