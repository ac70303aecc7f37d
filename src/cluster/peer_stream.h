// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/envelope.h"
#include "cluster/pace.h"
#include "cluster/stats.h"
#include "io/event_loop.h"
#include "redis/target.h"

namespace sb::cluster {

/// The stream on which another node hears from this one. What gathers while an entry is under way makes the next one;
/// its id is `epoch-number`, so Redis itself refuses what it has. An entry has two fields: `d`, that is kept for
/// repairs, and `q`, that need not survive a Redis that forgets: QoS 0 and notices. PROTOCOLS 2. Owner: the store
/// thread.
class PeerStream final : public redis::Target, io::TurnEnd {
 public:
  class Listener {
   public:
    /// Redis lacks entries that are not kept any more, control frames perhaps among them.
    virtual void on_lost(PeerStream& s) = 0;

   protected:
    ~Listener() = default;
  };
  struct Options {
    std::string key;
    std::uint64_t epoch = 0;               ///< of this node
    std::uint64_t first = 1;               ///< number of the first entry
    std::size_t backlog_bytes = 64 << 20;  ///< of what the receiver has not read
  };
  /// Called once: `true` at the write concern, or when the receiver is no member any more.
  using Waiter = std::function<void(bool)>;
  enum class Put : std::uint8_t {
    taken,
    dropped,  ///< the receiver is too far behind, and will hear that something is missing
    refused,  ///< too much waits for Redis
  };

  PeerStream(redis::Writer& writer, Options o, Listener& listener, Stats& stats);
  ~PeerStream() override;

  /// `frame`: of a message or notice, without a version. `keep`: it is sent until it is confirmed.
  Put put(std::string_view frame, bool keep);
  /// What keeps the nodes together is never dropped. `write(EnvelopeWriter&)` puts its frames.
  template <class F>
  void control(F write) {
    Entry& e = gathering();
    const std::size_t before = e.keep.size();
    kept_ = &e;
    EnvelopeWriter w(e.keep);
    write(w);
    grown(e.keep.size() - before);
  }
  /// Waits for the frame that was put last of those that are kept, just before.
  void wait(Waiter w) { kept_->waiters.push_back(std::move(w)); }
  /// The receiver has read up to this entry.
  void read_up_to(std::uint64_t number);
  /// Redis may lack entries that it had confirmed: it is asked, and gets them again.
  using Target::repair;
  /// Nothing is sent any more; all who wait hear `outcome`.
  void end(bool outcome);
  std::size_t backlog() const { return waiting_bytes_ + unread_bytes_; }
  /// Bytes that were not sent to Redis yet.
  std::size_t waiting() const { return waiting_bytes_; }

 private:
  static constexpr std::size_t kEntryBytes = 256 * 1024;  ///< beyond, another entry begins
  /// Between the beginnings of two entries while there are many frames: an entry costs as much as some hundred
  /// messages. Else they go at once: to wait for two or three more costs a wake-up, and gains nothing.
  static constexpr std::chrono::microseconds kLinger{700};
  static constexpr std::uint64_t kManyFrames = 16'000;  ///< a second: eleven in kLinger
  struct Entry final : redis::Batch {
    std::string keep, shed;
    std::vector<Waiter> waiters;
    std::size_t size() const { return keep.size() + shed.size(); }
  };
  Entry& gathering();
  void grown(std::size_t bytes);
  bool linger();
  static void append(std::string& to, std::string_view frame);

  void on_end_of_turn() override;
  std::unique_ptr<redis::Batch> next() override;
  void encode(const redis::Batch& b, Sending how, redis::Words& out) override;
  Taken answered(redis::Batch& b, redis::Outcome& outcome) override;
  void confirmed(redis::Batch& b) override;
  void encode_last(redis::Words& out) override;
  std::optional<std::uint64_t> last(redis::Outcome& outcome) override;
  void lost(std::uint64_t has, std::uint64_t kept) override;

  const Options options_;
  Listener& listener_;
  Stats& stats_;
  std::deque<std::unique_ptr<Entry>> queue_;  ///< the last one gathers
  Entry* kept_ = nullptr;                     ///< the last one that got something to keep
  std::deque<Entry*> open_;                   ///< sent, not confirmed: the target's
  struct Unread {
    std::uint64_t number;
    std::size_t bytes;
  };
  std::deque<Unread> unread_;
  std::size_t waiting_bytes_ = 0, unread_bytes_ = 0;
  std::uint64_t owed_ = 0;  ///< frames that were dropped and of which the receiver has not heard
  Pace frames_{kManyFrames};
  std::chrono::steady_clock::time_point began_{};  ///< the last entry
  bool lingers_ = false, ended_ = false;
};

}  // namespace sb::cluster
