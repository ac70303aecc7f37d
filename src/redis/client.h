// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis/call.h"
#include "redis/slot_map.h"
#include "redis/topology.h"

namespace sb::redis {

/// Redis behind a URL, whatever is there: a connection to each primary that is used, per lane. It finds out who is
/// primary, drops connections to those who are it no more, and looks again when a refusal or a lost connection says
/// that something has changed. It repeats nothing by itself, but for call(): whoever gave a command hears its outcome,
/// and may then send it, and what was behind it, to whom the topology names now. Owner: the loop's thread.
class Client final : Topology::Listener, ConnectionListener, Handler {
 public:
  /// What is told of the connections, with their lanes.
  class Listener {
   public:
    virtual void on_up(Connection& c, unsigned lane) = 0;
    virtual void on_down(Connection& c, unsigned lane) = 0;

   protected:
    ~Listener() = default;
  };

  /// With Sentinels, connections are to primaries only. `listener` null: nobody.
  Client(io::EventLoop& loop, const Url& url, Options options, Listener* listener = nullptr);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start() { topology_->start(); }

  /// The connection of `lane` to the primary of a slot, made when it is asked for first; null until it is up. What
  /// holds up others (WAIT, blocking reads) has a lane of its own.
  Connection* connection(std::uint16_t slot, unsigned lane = 0);
  /// The same to a server.
  Connection* reach(const Endpoint& e, unsigned lane);
  /// Gives the command to the primary of `slot`: the outcome will come, or no_primary, not_connected or pipeline_full.
  error_code command(std::uint16_t slot, Args command, Handler& handler, std::uint64_t tag = 0,
                     Millis timeout = Millis(0), unsigned lane = 0);
  /// The same to whom an ASK names.
  error_code ask(const Redirect& to, Args command, Handler& handler, std::uint64_t tag = 0, Millis timeout = Millis(0),
                 unsigned lane = 0);

  /// For what may be done twice, as reads may: repeats the command, behind whatever was sent meanwhile, until Redis
  /// does it, refuses it for a reason that does not pass, or `within` is over. `done` is called exactly once.
  void call(std::vector<std::string> words, std::string_view key, Millis within, std::function<void(Outcome&)> done,
            unsigned lane = 0);

  const Topology& topology() const { return *topology_; }

 private:
  class Repeated;
  void on_topology() override;
  void on_up(Connection& c) override;
  void on_down(Connection& c, error_code, const std::string&) override;
  void on_refused(Connection& c, const Outcome& o) override;
  void on_outcome(Outcome&, std::uint64_t) override {}  ///< of ASKING
  unsigned lane_of(const Connection& c) const;
  void check_role(Connection& c);

  io::EventLoop& loop_;
  std::shared_ptr<const Options> options_;
  Listener* listener_;
  std::unique_ptr<Topology> topology_;
  bool ending_ = false;
  Connection* role_asked_ = nullptr;  ///< check_role() is under way
  std::list<std::unique_ptr<Repeated>> repeated_;
  std::map<std::pair<Endpoint, unsigned>, ConnectionPtr> connections_;
};

}  // namespace sb::redis
