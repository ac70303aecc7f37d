// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "app/client_flags.h"

namespace sb::app {

using Random = std::mt19937_64;

/// A range of seconds or bytes, written "2..10" or "5".
struct Span {
  double low = 0, high = 0;
  double pick(Random& random) const { return std::uniform_real_distribution<double>(low, high)(random); }
};
/// None when `text` is no range of numbers from 0 up.
std::optional<Span> parse_span(const std::string& text);

/// What `verify` was asked for.
struct VerifyOptions {
  ClientFlags client;
  std::vector<std::string> nodes;  ///< several nodes instead of the one of `client`
  std::uint32_t publishers = 10, subscribers = 10, topics = 10;
  std::string qos = "mixed";              ///< 1, 2 or mixed
  Span payload{64, 64};                   ///< bytes
  std::uint32_t volatile_publishers = 0;  ///< how many of the publishers have no session
  std::uint32_t window = 20;              ///< unacknowledged publishes of each publisher
  double rate = 2000;    ///< publishes a second of all publishers together; 0 = as fast as the windows allow
  double duration = 10;  ///< seconds
  double settle = 2;     ///< seconds without anything new that end the drain
  double patience = 0;   ///< the same while something is still missing; 0 = five times settle
  double drain = 120;    ///< seconds that it takes at most
  double margin = 10;    ///< seconds between an acknowledgement and the end of a volatile subscriber
  double connect_timeout = 10;
  bool until_signal = false;  ///< publishing goes on until SIGUSR1, SIGINT or SIGTERM
  Span away{0.5, 3};          ///< seconds that a subscriber stays away; high = 0: none does
  Span cut{0.2, 1};           ///< seconds between connections that are cut; high = 0: none is
  bool overlap = false;
  std::uint32_t volatiles = 0;  ///< further subscribers, without sessions
  std::uint32_t shared = 0;     ///< further subscribers, in one shared group
  std::uint64_t seed = 0;       ///< 0 = a random one

  std::vector<std::string> pid_files, restarts;  ///< one of each per broker that is killed
  std::string broker;                            ///< command that is the broker: started, killed and started again
  std::uint32_t kills = 0;
  Span kill_every{1, 3};  ///< seconds from a restart to the next kill
  double restart = 60;    ///< seconds after which a broker that does not come back ends the run
  std::string fault;      ///< shell command
  Span fault_every{2, 10};
  bool json = false;

  bool mixed_versions() const { return client.version.empty(); }
};

}  // namespace sb::app
