// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "ports/log_store.h"
#include "ports/session_store.h"
#include "redis/writer.h"
#include "store/node_life.h"
#include "store/redis_calls.h"
#include "store/redis_keys.h"
#include "store/redis_part.h"
#include "store/redis_schedule.h"
#include "store/redis_session_row.h"
#include "store/redis_wills.h"

namespace sb::store {

/// Told of sessions that other nodes have. Owner: the store thread.
class SessionWatcher {
 public:
  /// Another node owns the session, above this epoch: whoever is connected to it here has to go.
  virtual void on_lost(std::string_view client_id, std::uint64_t epoch) = 0;
  /// Two nodes have claimed a session, since Redis had forgotten one claim: `node` has lost it to this node, and has to
  /// be told; its epoch was this one, so that a kick with a higher one holds there. SessionStore::kAnyNode: whoever has
  /// it, this node as well.
  virtual void on_displaced(std::string_view node, std::string_view client_id, std::uint64_t epoch) = 0;
  /// Redis has forgotten wills that are kept there for this node (keep_will): all of them are to be kept again.
  virtual void on_wills_forgotten() {}

 protected:
  ~SessionWatcher() = default;
};

/// Session records in Redis: the hash `sb:{s:CLIENT}`, and an entry in the schedule for each. PROTOCOLS: owning a
/// session. What this node owns is in memory as well, as the bytes of the record: about as much as Redis has of it,
/// for each connected session. So a change is one small write, and a record that Redis has lost is written again.
///
/// Answers come in the order of the requests for one client id; those for several in any order, since they may be on
/// several primaries. A request waits while Redis is away, but for claims: those are refused then, and a claim that
/// only ends what is there is answered, and done when Redis is back. Owner: the store thread, but for any().
class RedisSessions final : public ports::SessionStore, public RedisPart, SessionRows, io::Timer {
 public:
  struct Stats {
    std::uint64_t rewritten = 0;  ///< records that were written anew
    std::uint64_t lost = 0;       ///< sessions that turned out to be another node's
    std::uint64_t displaced = 0;  ///< sessions of others that a forgotten claim of this node took back
    std::size_t owned = 0;        ///< sessions in memory
    std::size_t rows = 0;         ///< of them and others: with something under way, or kept for repairs
  };

  /// `limit`: sessions in all of Redis. All of them live longer. `watcher` null: nobody is told.
  RedisSessions(redis::Writer& writer, const RedisKeys& keys, NodeLife& life, ports::LogStore& logs, std::size_t limit,
                SessionWatcher* watcher = nullptr);
  ~RedisSessions() override;
  /// To be among Options::scripts of the writer.
  static std::vector<std::shared_ptr<const redis::Script>> scripts();

  bool any() const override;
  void claim(Claim c, Done<Claimed> done) override { claim(std::move(c), std::nullopt, std::move(done)); }
  void change(std::string_view client_id, std::uint64_t epoch, ports::SessionChange c, Done<void> done) override;
  void end(std::string_view client_id, std::uint64_t epoch, Done<void> done) override;
  void outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) override;
  void take_due(WallTime now, Done<std::vector<Due>> done) override;
  void fired(std::uint64_t will) override;

  void keep_will(std::string_view client_id, std::string_view username, model::WillRecord will,
                 std::uint64_t connection) override {
    wills_.keep(client_id, connection, encode_will(username, will), nullptr);
  }
  void forget_will(std::string_view client_id, std::uint64_t connection) override {
    wills_.forget(client_id, connection);
  }
  /// Wills of those who were connected to a node when it died.
  struct LeftWills {
    std::vector<Due> of_clients;  ///< whose sessions were volatile: whether they are connected again is not asked here
    std::vector<Due> of_records;  ///< due now; what has a delay comes by take_due()
    bool more = false;  ///< ask again in a moment: there are more, or others are at some that may not live to do it
  };
  /// A part of what that node left behind with this epoch, and those before. Each will is given to one node only, and
  /// again when that one died before fired(). errc::unavailable: later again.
  void take_wills(std::string_view node, std::uint64_t epoch, WallTime now, Done<LeftWills> done);

  /// The others have buried this node: nothing of what it owned is its own any more, nothing that was asked in its name
  /// is written, and who waits for an answer is refused. NodeLife::epoch() is 0, until it has another one.
  void end_life();

  /// Redis may have lost records of sessions that nobody has written to lately (it was started again, or has a new
  /// history): all that are connected here are compared, paced.
  void check_records();
  /// Nodes whose clients fight for one client id take turns of this length.
  void set_turn(Millis t) { turn_ = t; }
  /// So long after Redis was last in doubt, what other nodes were told before that may not be there again yet.
  void set_doubt(Millis t) { doubt_ = t; }
  /// What Redis may have forgotten of this client's session is there again, as far as this node had it.
  /// Not before this node's Redis is the one with the `mark`; never, when that takes too long.
  void settle(const std::string& client_id, std::uint64_t mark, std::function<void()> done);
  // --- RedisPart
  void on_tick() override {}
  /// What is there now may be less than what was there before.
  void on_connected() override {
    check_records();
    check_wills();
  }
  bool busy() const override { return !waiting_.empty() || !soon_.empty(); }

  /// How many there are is known, so that any() and the limit hold.
  bool counted() const { return counted_; }
  /// Sessions of all nodes, as far as is known.
  std::int64_t known() const { return count_.load(std::memory_order_relaxed); }
  /// Asks Redis how many there are; now and then by itself.
  void recount();
  Stats stats() const;
  /// Bytes in memory for the sessions that this node owns, without what is under way.
  std::size_t owned_bytes() const;

 private:
  /// A claim that somebody waits for, at most until its deadline.
  struct Waiting {
    Done<Claimed> done;
    MonoTime until;
    bool durable;
    std::uint32_t expiry;
  };
  struct Taking;
  using Sessions = absl::flat_hash_map<std::string_view, std::unique_ptr<StoredSession>, StringHash, std::equal_to<>>;

  void on_timer() override;
  StoredSession& session(std::string_view client_id);
  SessionRow& row(StoredSession& s);
  void give(std::string_view client_id, std::unique_ptr<SessionJob> job);
  /// One that is made again keeps its deadline.
  void claim(Claim c, std::optional<MonoTime> until, Done<Claimed> done);
  void claim_now(Claim c, std::optional<MonoTime> until, Done<Claimed> done);
  void claim_again();
  void ask_others(Claim c, std::optional<MonoTime> until, Done<Claimed> done);
  void let_go(std::uint64_t mark, Claim c, std::optional<MonoTime> until, Done<Claimed> done);
  void look_for_mark(const std::string& key, MonoTime until, std::function<void()> found);
  void settle_here(const std::string& client_id, std::function<void()> done);
  bool away();
  void claimed(Waiting& w, Claim&& c, ClaimAnswer&& a);
  void too_late(Waiting& w);
  bool skip(const RedisSchedule::Entry& e, const std::shared_ptr<Taking>& taking);
  void leave_logs(const std::string& client_id, std::uint64_t incarnation, const std::vector<std::string>& filters);
  void look(const std::string& client_id, const std::shared_ptr<Taking>& taking, std::function<void(TakeAnswer&)> then);
  Will register_will(const std::string& client_id, FiredWill&& w);
  void count(std::int64_t by);
  void drop_unused(StoredSession& s);
  void check_some();
  void keep_entry(const StoredSession& s);
  void check_wills();
  static Millis look_again(std::uint32_t expiry);

  // --- SessionRows
  std::string_view node() const override { return life_.name(); }
  std::uint64_t node_epoch() const override { return life_.epoch(); }
  Millis turn() const override { return turn_; }
  std::uint64_t life() const override { return lives_; }
  void met(std::string_view owner) override;
  void add_known(redis::Words& out) override;
  error_code may_create(const StoredSession& s, WallTime now, std::function<void()> done) override;
  void read(const std::string& key, std::vector<std::string> words, std::function<void(redis::Outcome&)> done) override;
  void lost(const StoredSession& s, std::uint64_t epoch) override;
  void displaced(const StoredSession& s, std::string_view node, std::uint64_t epoch) override;
  void rewritten(const StoredSession& s) override;
  void unused(StoredSession& s, bool now) override;

  redis::Writer& writer_;
  const RedisKeys& keys_;
  NodeLife& life_;
  ports::LogStore& logs_;
  const std::size_t limit_;
  SessionWatcher* const watcher_;
  RedisCalls call_;
  RedisSchedule schedule_;
  RedisWills wills_;
  Sessions sessions_;
  std::deque<std::shared_ptr<Waiting>> waiting_;
  std::vector<std::pair<Claim, Waiting>> soon_;  ///< made again with the next tick
  std::deque<std::string> met_;                  ///< owners, the last ones first
  struct Firing {
    std::string client_id, number;
    std::string node, mark;  ///< it is of a volatile session there
  };
  absl::flat_hash_map<std::uint64_t, Firing> firing_;
  std::vector<Due> unfired_;         ///< wills that nobody has been given yet
  std::vector<std::string> unused_;  ///< client ids, to be looked at
  std::vector<std::string> to_check_;
  std::uint64_t next_nonce_, next_will_ = 1;
  Millis turn_{100}, doubt_{30000};
  std::uint64_t lives_ = 0;
  Stats stats_;
  bool counted_ = false;
  std::atomic<std::int64_t> count_{0};
  MonoTime next_count_{};
  std::atomic<bool> any_{true};
  bool away_ = false;
  MonoTime away_asked_ = MonoTime::min();
  std::size_t to_end_ = 0;  ///< claims that were answered, and wait for Redis to be back
  std::uint32_t check_round_ = 0;
  std::vector<std::pair<std::string, std::function<void()>>> settling_;  ///< wait until what is kept was repaired
  std::vector<std::function<void()>> unseen_;                            ///< marks to look for with the next tick
};

}  // namespace sb::store
