// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/pace.h"
#include "cluster/stats.h"
#include "cluster/stream_id.h"
#include "io/event_loop.h"
#include "redis/client.h"
#include "store/redis_keys.h"

namespace sb::cluster {

/// The streams on which this node hears from the others: all are read with one XREAD, which waits in Redis for what
/// comes. Each has a position; what is behind it was handed on, and is taken away now and then. PROTOCOLS 2. Owner: the
/// store thread.
class Inbox final : io::Timer, io::TurnEnd {
 public:
  class Listener {
   public:
    /// An entry, in the order of its stream; each once.
    virtual void on_entry(const std::string& from, StreamId id, std::string_view d, std::string_view q) = 0;
    /// Behind the entries of one reply. False: read no further until resume().
    virtual bool on_entries_done() = 0;
    /// Everything that Redis had at `as_of` was handed on.
    virtual void on_read_to_end(MonoTime as_of) = 0;
    /// What stands in the stream at or before `id` was handed on, and taken away.
    virtual void on_trimmed(const std::string& from, StreamId id) = 0;
    /// Redis could not be read for a moment, or has forgotten something: it may be another one.
    virtual void on_interrupted() = 0;
    /// Redis was there all the time, and has the stream no more: what stood in it unread is gone. It is made again when
    /// the sender had the time to hear of it, so that it takes nothing new before what is missing.
    virtual void on_missing(const std::string& from) = 0;
    /// Somebody has rung.
    virtual void on_door(std::string_view what, std::uint64_t epoch) = 0;

   protected:
    ~Listener() = default;
  };

  /// `rest`: after which the stream of somebody who is gone is read no more.
  Inbox(io::EventLoop& loop, redis::Client& client, const store::RedisKeys& keys, std::string node, Millis rest,
        Listener& listener, Stats& stats);
  ~Inbox();

  /// Has a stream for each of these, and the one of the door; `done` when Redis has them and their positions are known:
  /// reading begins there, or goes on where it was.
  void open(const std::vector<std::string>& from, std::function<void()> done);
  /// Reads from now on.
  void start();
  void stop();
  /// After on_entries_done() said no.
  void resume();
  /// Whoever wrote it is gone: it is read for a while yet. Its position stays, since another life may have written to
  /// it before this node has heard of that life.
  void forget(const std::string& from);

 private:
  static constexpr Millis kBlock{100};
  /// Between two reads while many find something, since there are many who write: each wakes Redis up.
  static constexpr std::chrono::microseconds kLinger{500};
  static constexpr std::uint64_t kManyReads = 4'000;  ///< a second: two in kLinger
  struct Stream {
    std::string from, key;
    StreamId position, trimmed;
    MonoTime gone_at = kNever;
    MonoTime missing = kNever;  ///< since then
    bool known = false;         ///< Redis has it, and the position is right
    bool rests = false;         ///< is not read
  };
  void on_timer() override;
  void on_end_of_turn() override;
  void on_outcome(redis::Outcome& outcome);
  void read();
  void read_one_by_one();
  void failed(const redis::Outcome& o);
  bool take(redis::Reply::View streams, bool& to_end);
  bool take(Stream& s, redis::Reply::View entries);
  void door(redis::Reply::View fields);
  void ensure();
  void trim();
  void rest_gone();
  void tell_interrupted();
  void again(Millis after);
  Stream* find(std::string_view from);

  io::EventLoop& loop_;
  redis::Client& client_;
  const store::RedisKeys& keys_;
  const std::string node_;
  const std::uint16_t slot_;
  const Millis rest_;
  Listener& listener_;
  struct Answer;
  Stats& stats_;
  std::unique_ptr<Answer> answer_;  ///< to a read; stays behind when it is still to come
  std::deque<Stream> streams_;
  std::vector<std::size_t> asked_;  ///< of streams_, in the order of the read that is under way
  std::vector<std::function<void()>> opening_;
  bool running_ = false, reading_ = false, held_ = false, ensuring_ = false, ensure_again_ = false;
  bool interrupted_ = false;  ///< to be told behind the next read that succeeds
  bool cut_ = false;          ///< Redis may have begun anew since it was last asked for the streams
  unsigned one_by_one_ = 0;   ///< replies that are awaited
  bool one_by_one_to_end_ = false;
  Pace found_{kManyReads};
  std::chrono::steady_clock::time_point began_{};  ///< the last read
  bool lingers_ = false;
  std::uint64_t read_on_ = 0;  ///< the socket of the last read
  MonoTime asked_at_{}, next_ensure_{}, next_trim_{}, moving_until_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sb::cluster
