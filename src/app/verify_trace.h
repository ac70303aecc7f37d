// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "app/verify_ledger.h"
#include "app/verify_message.h"

namespace sb::app {

/// Which client was connected to which node and when, so that a fault can be found again in the logs of the brokers.
class VerifyJournal {
 public:
  struct Link {
    std::uint32_t node = 0;
    Moment from = 0, until = 0;  ///< until 0: it stands
  };
  /// `began`: the wall clock at moment 0.
  void begin(std::chrono::system_clock::time_point began) { began_ = began; }
  void add_node(std::string address) { nodes_.push_back(std::move(address)); }
  /// The number by which the client is known here, from 0.
  std::uint32_t add_client(std::string id);
  void opened(std::uint32_t client, std::uint32_t node, Moment at);
  void closed(std::uint32_t client, Moment at);

  const std::string& id(std::uint32_t client) const { return clients_[client].id; }
  const std::string& node(std::uint32_t n) const { return nodes_[n]; }
  const std::vector<Link>& links(std::uint32_t client) const { return clients_[client].links; }

  /// As in the brokers' logs: 2026-01-31T12:00:00.123Z.
  std::string time(Moment m) const;
  /// Where the client was at that moment and where it went then.
  std::string whereabouts(std::uint32_t client, Moment at) const;
  /// Its last two connections.
  std::string last_move(std::uint32_t client) const;

 private:
  struct Client {
    std::string id;
    std::vector<Link> links;
  };
  std::chrono::system_clock::time_point began_{};
  std::vector<std::string> nodes_;
  std::vector<Client> clients_;
};

/// What a finding's numbers mean.
struct VerifyCast {
  std::uint32_t first_publisher = 0;  ///< the journal's number of publisher 0
  std::uint32_t groups_from = 0;      ///< subscribers below are clients of the same number in the journal
};

/// The finding with everything that is known of the message and of the clients: ids, nodes, connections and times.
std::string trace(const Finding& f, const VerifyLedger& ledger, const VerifyJournal& journal, const VerifyCast& cast,
                  const VerifyWire& wire);

}  // namespace sb::app
