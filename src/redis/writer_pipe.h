// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/time.h"
#include "redis/connection.h"
#include "redis/target.h"
#include "redis/url.h"

namespace sb::redis {

class Writer;

/// One primary, as the Writer sees it: one flush at a time, of a command for each target that is ready, and a WAIT
/// behind them.
class WriterPipe final : Handler {
 public:
  WriterPipe(Writer& writer, Endpoint to);

  const Endpoint& endpoint() const { return endpoint_; }
  /// The connection is up; or null, and every target has to ask again what Redis has.
  void set_connection(Connection* c);
  bool up() const { return connection_ != nullptr; }
  /// The target waits here until flush() comes to it.
  void add(Target& t);
  /// Nothing of the target is known here any more.
  void forget(Target& t);
  /// Sends what is ready, unless the flush before is under way.
  void flush();
  /// Now and then: asks again for replicas that had not confirmed.
  void tick();
  bool busy() const { return under_way_ > 0 || !ready_.empty() || !unconfirmed_.empty(); }
  /// Why nothing that was made before `since` is confirmed, "" when all of it is.
  std::string trouble(MonoTime since) const;

 private:
  friend class Target;
  static constexpr std::size_t kCommands = 1024, kBytes = 2u << 20;  ///< of one flush
  static constexpr std::uint64_t kTouch = ~std::uint64_t{0}, kWait = kTouch - 1, kReplicas = kTouch - 2,
                                 kHistory = kTouch - 3;
  static constexpr Millis kLook{1000};
  struct Flight {
    Target* target;
    Batch* batch;  ///< null: a question
  };
  struct Unconfirmed {
    Target* target;
    std::uint64_t number;
  };
  void give_back();
  bool send(Target& t);
  bool send_question(Target& t);
  bool command(Target& t, Batch* b, const Words& words);
  void send_wait();
  void on_outcome(Outcome& outcome, std::uint64_t tag) override;
  void batch_answered(Flight& f, Outcome& outcome);
  void wait_answered(const Outcome& outcome);
  void replicas_answered(const Outcome& outcome);
  void ask_history();
  void history_answered(const Outcome& outcome);
  void refused(const Outcome& outcome);
  void end_flush();
  void confirm_all();

  Writer& writer_;
  const Endpoint endpoint_;
  Connection* connection_ = nullptr;
  MonoTime down_since_;  ///< kNever: it is not
  std::deque<Target*> ready_;
  absl::flat_hash_set<Target*> targets_;  ///< that sent here last, and keep something
  std::vector<Flight> flights_;           ///< of the flush
  std::size_t under_way_ = 0;             ///< replies of the flush that are awaited
  std::size_t flushed_bytes_ = 0;
  std::deque<Unconfirmed> unconfirmed_;  ///< Redis has them; the write concern is not answered
  bool touch_ = false;                   ///< WAIT says nothing before something was written on this connection
  bool concern_met_ = false;             ///< of the flush
  bool asks_replicas_ = false;           ///< how many there are
  bool alone_ = false;                   ///< it has no replica at all
  bool asks_history_ = false;
  std::string history_;   ///< Replication::history when the connection was new
  MonoTime next_look_{};  ///< whether it is still the same
  bool waits_ = false;    ///< the flush has a WAIT
  MonoTime waits_since_{};
  Millis patience_;        ///< of the next WAIT
  std::string touch_key_;  ///< in a slot of this primary
  Words words_;
  std::string refusal_;  ///< the last one
};

}  // namespace sb::redis
