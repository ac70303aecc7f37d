// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "redis/client.h"

namespace sb::redis {

/// A replica that the primary has not heard for longer does not follow it.
constexpr Seconds kFollows{5};

/// What a server says of its replication (INFO replication).
struct Replication {
  struct Replica {
    std::string address;        ///< as in Endpoint::text()
    std::string state;          ///< "online", or what it waits for
    std::uint64_t behind = 0;   ///< bytes of the primary's log that it has not confirmed
    std::uint64_t seconds = 0;  ///< since it was last heard
    friend bool operator==(const Replica&, const Replica&) = default;
  };
  std::string address;
  std::string role;     ///< "primary", "replica"; "" = not known
  std::string history;  ///< its replication id: another one behind each time that it was a replica; "" = not known
  std::vector<Replica> replicas;
  /// How many replicas follow it.
  unsigned followers() const;
  std::string problem;  ///< why it has not answered lately, "" = it has
  friend bool operator==(const Replication&, const Replication&) = default;
};

/// Role and replicas from the text of INFO; what is missing there stays empty.
Replication parse_replication(std::string_view info);

/// The primaries that are known, each with one slot that it has.
std::map<Endpoint, std::uint16_t> primaries(const Topology& t);

/// Asks every primary now and then who replicates it. It waits for nobody: who does not answer has a problem. Owner:
/// the loop's thread.
class ReplicationWatch final : io::Timer {
 public:
  static constexpr Millis kEvery{2000}, kSoon{200};  ///< the latter while a connection is missing

  ReplicationWatch(io::EventLoop& loop, Client& client) : loop_(loop), client_(client) {}
  ~ReplicationWatch();
  /// Asks from now on.
  void start() { on_timer(); }
  /// By address. Empty: no primary is known.
  const std::vector<Replication>& servers() const { return servers_; }

 private:
  void on_timer() override;
  bool ask(std::uint16_t slot, const Endpoint& e);
  void answered(const std::string& address, Outcome& o);

  io::EventLoop& loop_;
  Client& client_;
  std::vector<Replication> servers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sb::redis
