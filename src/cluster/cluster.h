// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "base/log.h"
#include "cluster/barriers.h"
#include "cluster/handed_out.h"
#include "cluster/inbox.h"
#include "cluster/membership.h"
#include "cluster/peer_stream.h"
#include "cluster/receiver.h"
#include "cluster/requests.h"
#include "cluster/routes.h"
#include "cluster/scripts.h"
#include "cluster/stats.h"
#include "io/event_loop.h"
#include "redis/writer.h"
#include "store/log_peers.h"
#include "store/redis_keys.h"

namespace sb::cluster {

struct Options {
  std::string node;
  std::string detail;  ///< what others and the registry hear of it: address and version, without line breaks
  Millis lease{5000};
  std::size_t inbox_bytes = 64 << 20;  ///< that a node may have waiting here for it to read
  Millis rest{60'000};                 ///< after which the stream of a node that is gone is read no more
};

/// A node among others: the bus, the membership, the routes. One per process; the loop is the store thread's, and so
/// is everything here but what says otherwise. PROTOCOLS 2, 4, 5.
///
/// Another node is a Peer here from when it is first heard of; it is a member while it has a stream out.
class Cluster final : public store::LogPeers,
                      Membership::Listener,
                      Inbox::Listener,
                      PeerStream::Listener,
                      EnvelopeSink,
                      io::Timer,
                      io::TurnEnd {
 public:
  static constexpr Millis kFresh = Barriers::kTime / 2;  ///< see fresh()
  static constexpr Millis kKick{200};                    ///< that a released() is waited for

  /// `writer`: with Scripts::all() among the scripts of its options; it flushes nothing while the node has no lease.
  Cluster(io::EventLoop& loop, redis::Writer& writer, store::RedisKeys keys, Options o, Receiver& receiver);
  ~Cluster() override;
  /// What hears of the others' logs. Before start(); must not be null if there are any.
  void set_logs(store::LogsOfPeers* logs) { logs_ = logs; }
  /// Becomes a member; Receiver::joined() when it is one.
  void start() { membership_.start(); }
  /// Says goodbye to all, for good. `done`: Redis has it, or has not answered for about a second.
  void leave(std::function<void()> done);

  /// Any thread: the node knows what the others want, up to a quarter of a second ago, and has its lease. QoS > 0 is
  /// acknowledged only then. Reads the clock, since whoever asks may have stood still since his turn began.
  bool fresh() const;
  /// Of this life of the node; 0 = it has none.
  std::uint64_t epoch() const { return in_.load(std::memory_order_relaxed) ? membership_.epoch() : 0; }
  const Members& known() const { return membership_.members(); }
  /// Any thread.
  bool is_member() const { return in_.load(std::memory_order_relaxed); }
  const Stats& stats() const { return stats_; }

  // --- for ports::Peers, see there
  void send(const ports::PeerBatch& batch, ports::Peers::Done<void> done);
  void change(const std::vector<ports::Peers::Change>& changes, ports::Peers::Done<void> done);
  void kick(std::string_view node, std::string_view client_id, std::uint64_t epoch, std::function<void()> released);
  void connected(std::string_view client_id, ports::ConnectTime since);
  std::uint64_t own_id() const { return id_of(options_.node); }
  /// Any thread.
  std::uint64_t id_of(ports::PeerNumber peer) const;
  void tell(ports::PeerNumber peer, const ports::GroupNote& note);
  void ask_group(std::string_view filter, std::uint64_t epoch, std::function<void(ports::Peers::GroupReplies)> done);
  /// The retained message of a topic was set, or cleared (""), confirmed: what all nodes are to know of it. `known`:
  /// they will hear of it.
  void retained_changed(std::string_view topic, std::string_view entry, std::function<void()> known);
  /// Asks other nodes, all or one ("" = all); `done` within Requests::kTime. Without a lease nobody is asked, since
  /// who knows when it would be heard: all are missing then, at once.
  void ask(std::string_view node, std::string_view kind, std::string_view body, Requests::Done done);

  // --- store::LogPeers
  void log_began(std::string_view filter, std::uint64_t incarnation, std::function<void()> known) override;
  void log_ended(std::string_view filter, std::uint64_t incarnation) override;
  void appended(std::string_view filter, const store::AppendedRun& run) override;

  struct PeerInfo {
    std::string node, detail;
    ports::PeerNumber number;
    std::uint64_t epoch;
    std::size_t backlog;  ///< bytes that it has not read, as far as is known
    std::size_t waiting;  ///< of these, what waits for Redis
  };
  std::vector<PeerInfo> members() const;
  /// Who should answer: the other members, and while this node is none, who was one when it was last in.
  std::vector<std::string> expected() const;
  bool expects(std::string_view node) const;
  /// Who was buried within the last hour, without a goodbye, and has not come back; as far as this node has seen.
  std::vector<std::string> lost() const;
  MonoTime lease_until() const { return membership_.until(); }
  /// Everything that others had written by then was read; MonoTime::min(): nothing yet.
  MonoTime read_at() const { return read_at_; }
  std::size_t own_routes() const { return own_.size(); }
  std::size_t peer_routes() const { return routes_.size(); }
  void set_load(std::string load) { membership_.set_load(std::move(load)); }

 private:
  struct Peer {
    ports::PeerNumber number = 0;
    std::string name, detail;
    std::uint64_t epoch = 0;          ///< 0 = no member
    std::unique_ptr<PeerStream> out;  ///< to a member
    std::uint64_t last_number = 0;    ///< of its streams so far, in this life of the node here
    std::uint64_t hello = 0;          ///< its epoch that has said hello to this life; 0 = none
    MonoTime hello_at{};              ///< when it did
    std::uint64_t sequence = 0;       ///< of the last entry
    std::uint64_t buried = 0;         ///< its epochs up to here have nothing more to say
    std::uint64_t unanswered = 0;     ///< a barrier, until there is a stream out
    bool told = false;                ///< it has told all its routes
    bool expected = false;            ///< see expected()
    bool left = false;                ///< it has said goodbye
    MonoTime lost_at{};               ///< when it was buried last
    std::size_t unread = 0;           ///< bytes that came since it was told how far they are read
    std::uint64_t mark = 0;           ///< of the last batch that waits for it
    MonoTime rung{};
  };
  enum class State : std::uint8_t { out, joining, loading, in, left };

  // cluster.cc: lives
  void on_epoch(std::uint64_t epoch, std::vector<std::string> listed, std::function<void()> go_on) override;
  void on_registered() override;
  void on_lease(MonoTime until) override;
  void on_fenced() override;
  void on_member(const std::string& node, std::uint64_t epoch, const std::string& detail) override;
  void on_member_lost(const std::string& node, std::uint64_t epoch) override;
  void clean_up(const std::string& node, std::uint64_t epoch, std::function<void()> done) override {
    receiver_.clean_up(node, epoch, std::move(done));
  }
  void on_timer() override;
  void again(MonoTime at);
  Peer& peer(std::string_view name);
  void tell_all(Peer& p);
  void drop(Peer& p, bool outcome);
  void drop_routes(Peer& p);
  static std::uint64_t id_of(std::string_view node);
  void check_joined();
  void say_goodbye();
  void set_fresh();
  bool writes_to_all() const;

  // cluster_out.cc: what goes to others
  template <class F>
  void to_all(F write) {
    for (auto& p : peers_)
      if (p.out) p.out->control(write);
  }
  void on_end_of_turn() override;
  void add_barrier(std::function<void()> done);
  void compare_reads(std::uint64_t barrier, std::vector<std::string> filters);
  void repair_streams();
  std::uint64_t send_barrier(std::vector<std::function<void()>> done);
  void run_barriers();
  void kick_everywhere(std::string_view client_id, std::uint64_t epoch);
  void run_kicks(bool all_of, ports::PeerNumber peer);
  void on_lost(PeerStream& s) override;

  // cluster_in.cc: what comes from others
  void on_entry(const std::string& from, StreamId id, std::string_view d, std::string_view q) override;
  bool on_entries_done() override;
  void on_read_to_end(MonoTime as_of) override;
  void on_trimmed(const std::string& from, StreamId id) override;
  void on_interrupted() override;
  void on_missing(const std::string& from) override;
  void on_door(std::string_view what, std::uint64_t epoch) override;
  void take(std::string_view field);
  /// The sender of the entry has said hello to this life.
  bool heard() const { return from_->hello == id_.epoch; }
  /// And what it says counts: it was not buried.
  bool counts() const { return heard() && id_.epoch > from_->buried; }
  void on_message(const model::MessageView& m, std::string_view group, std::uint8_t hops) override;
  void on_appended(std::string_view filter, const store::AppendedRun& run) override;
  void on_hello(std::uint64_t receiver_epoch) override;
  void on_route(std::string_view filter, std::uint8_t wants) override;
  void on_routes_end() override;
  void on_log_began(std::string_view filter, std::uint64_t incarnation) override;
  void on_log_ended(std::string_view filter, std::uint64_t incarnation) override;
  void on_kick(std::uint64_t number, std::string_view client_id, std::uint64_t epoch) override;
  void on_released(std::uint64_t number) override;
  void on_connected(std::string_view client_id, ports::ConnectTime since) override;
  void on_retained(std::string_view topic, std::string_view entry) override;
  void on_barrier(std::uint64_t number) override;
  void on_answer(std::uint64_t barrier) override;
  void on_gap(std::uint64_t dropped) override;
  void on_request(std::uint64_t number, std::string_view kind, std::string_view body) override;
  void on_reply(std::uint64_t number, std::string_view body) override;
  void on_read(std::uint64_t sequence) override;
  void on_leaving() override;
  void on_group(ports::GroupNote&& n) override;

  io::EventLoop& loop_;
  redis::Writer& writer_;
  const store::RedisKeys keys_;
  const Options options_;
  Receiver& receiver_;
  store::LogsOfPeers* logs_ = nullptr;
  Stats stats_;
  State state_ = State::out;
  std::deque<Peer> peers_;  ///< by number; none ever goes
  StringMap<ports::PeerNumber> numbers_;
  mutable std::mutex ids_mutex_;
  std::vector<std::uint64_t> ids_;  ///< by number
  OwnRoutes own_;
  PeerRoutes routes_;
  Barriers barriers_{stats_};
  Requests requests_{stats_};
  struct Kick {
    ports::PeerNumber peer;
    MonoTime until;
    std::string client_id;
    std::uint64_t epoch;
    std::function<void()> released;
  };
  std::map<std::uint64_t, Kick> kicks_;
  std::uint64_t last_kick_ = 0, last_mark_ = 0;
  /// Redis may have forgotten what others had told this node. It is not fresh until all have answered this barrier:
  /// they do so behind what they have written again.
  std::uint64_t repaired_by_ = 0;
  std::vector<std::function<void()>> barrier_dones_;  ///< of this turn
  /// Logs that began to be read here: in this turn, and behind barriers that some node was too late for.
  std::vector<std::string> reads_;
  std::deque<std::pair<std::uint64_t, std::vector<std::string>>> late_reads_;
  bool turn_end_ = false;
  std::string frame_;           ///< one that several nodes get
  std::function<void()> left_;  ///< to be called when it is
  MonoTime leave_at_ = kNever;
  MonoTime read_at_ = MonoTime::min();
  std::atomic<std::int64_t> fresh_until_{0};
  std::atomic<bool> in_{false};

  // of the entry that is read
  Peer* from_ = nullptr;
  StreamId id_;
  std::vector<std::unique_ptr<ports::PeerBatch>> lanes_;
  std::shared_ptr<HandedOut> handed_out_;
  log::RateLimit fault_log_{Seconds(10)};

  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Membership membership_;
  Inbox inbox_;
};

}  // namespace sb::cluster
