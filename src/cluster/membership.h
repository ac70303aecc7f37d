// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "cluster/members.h"
#include "cluster/stats.h"
#include "io/event_loop.h"
#include "redis/client.h"
#include "redis/script.h"
#include "store/redis_keys.h"

namespace sb::cluster {

/// A node's right to be a member, and what it knows of the others': epoch, lease, list of nodes, fencing. All of it is
/// written again when Redis has forgotten it, so nothing waits for replicas. PROTOCOLS 4. Owner: the store thread.
class Membership final : io::Timer {
 public:
  class Listener {
   public:
    /// Before the others hear of this node: its inboxes are made for the nodes that are listed. `go_on` when they are.
    virtual void on_epoch(std::uint64_t epoch, std::vector<std::string> listed, std::function<void()> go_on) = 0;
    /// The others can hear of this node, and all who were members are known to it.
    virtual void on_registered() = 0;
    /// It may write until then.
    virtual void on_lease(MonoTime until) = 0;
    /// Others have buried this life of the node, or it has another process by now. It begins again by itself.
    virtual void on_fenced() = 0;
    virtual void on_member(const std::string& node, std::uint64_t epoch, const std::string& detail) = 0;
    virtual void on_member_lost(const std::string& node, std::uint64_t epoch) = 0;
    /// What a node has left behind that is no more with this epoch or an earlier one: wills, due sessions. `done` when
    /// it is put in order. Others may have begun the same. The node may be this one, in an earlier life.
    virtual void clean_up(const std::string& node, std::uint64_t epoch, std::function<void()> done) = 0;

   protected:
    ~Listener() = default;
  };
  struct Options {
    std::string node;
    std::string detail;  ///< for others: address, version; one line
    Millis lease{5000};
  };

  Membership(io::EventLoop& loop, redis::Client& client, const store::RedisKeys& keys, Options o, Listener& listener,
             Stats& stats);
  ~Membership();

  /// Becomes a member; tries until it is.
  void start();
  /// Gives the lease back; nobody has to wait for its end then. `done`: Redis has it, or has not answered in a second.
  void leave(std::function<void()> done);

  std::uint64_t epoch() const { return epoch_; }
  /// Until when this node may write; in the past: it has no lease.
  MonoTime until() const { return until_; }
  const Members& members() const { return members_; }
  /// What it says of itself with its lease; for those who look for a node.
  void set_load(std::string load) { load_ = std::move(load); }
  /// Reads the others' keys now.
  void look();
  /// Somebody says that this epoch is fenced.
  void told_fenced(std::uint64_t epoch);
  /// The node says that it goes.
  void told_leaving(std::string_view node, std::uint64_t epoch);
  /// Rings at the door of a node: it looks at its members, or at its own epoch.
  void ring(std::string_view node, const char* what, std::uint64_t epoch);

 private:
  enum class State : std::uint8_t { off, raising, preparing, enlisting, member, leaving };
  using Done = std::function<void(redis::Outcome&)>;
  struct Look;

  void on_timer() override;
  void again(MonoTime at);
  void script(const redis::Script& s, std::vector<std::string> keys, std::vector<std::string> arguments, Done done);
  void begin();
  void prepare(std::uint64_t previous);
  void enlist();
  void renew();
  void renewed(redis::Outcome& o, MonoTime sent, std::uint64_t epoch);
  void fenced(const char* why, Millis pause);
  void read_all(const std::shared_ptr<Look>& l);
  void looked(const std::shared_ptr<Look>& l);
  void happened(const std::vector<Members::Event>& events);
  void fence(const std::string& node, std::uint64_t epoch);
  void bury(const std::string& node, std::uint64_t epoch);
  std::string own(std::string_view what) const { return keys_.node(options_.node, what); }

  io::EventLoop& loop_;
  redis::Client& client_;
  const store::RedisKeys& keys_;
  const Options options_;
  Listener& listener_;
  Stats& stats_;
  Members members_;
  State state_ = State::off;
  MonoTime trying_since_ = kNever;
  std::uint64_t epoch_ = 0;
  std::uint64_t previous_ = 0;  ///< an earlier life that ended without a word; 0 = none
  std::string load_ = "0";
  MonoTime until_ = MonoTime::min(), next_renewal_{}, next_look_{};
  bool renewing_ = false, looking_ = false, look_again_ = false, registered_ = false;
  std::uint64_t read_on_ = 0;  ///< connection on which keys were read just now
  std::set<std::pair<std::string, std::uint64_t>> burying_;
  std::set<std::string> names_;  ///< that were listed at any time: they may have had inboxes
  std::shared_ptr<Membership*> self_ = std::make_shared<Membership*>(this);  ///< empty when it is gone
  log::RateLimit log_limit_{Seconds(10)};
};

}  // namespace sb::cluster
