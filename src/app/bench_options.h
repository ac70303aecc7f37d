// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "app/client_flags.h"

namespace sb::app {

enum class Scenario : std::uint8_t { connect, idle, fanout, fanin, pairs, shared };

/// What `bench` was asked for, with the defaults of the scenario filled in.
struct BenchOptions {
  ClientFlags client;
  std::string scenario_name;
  Scenario scenario = Scenario::pairs;
  std::uint32_t pubs = 0, subs = 0;  ///< 0 = the scenario's default
  std::uint32_t conns = 0;           ///< connect: at once; idle: in all
  std::uint8_t qos = 0;
  std::uint32_t payload = 64;       ///< bytes
  std::uint32_t window = 32;        ///< rate 0: messages of a publisher under way at most
  double rate = 0;                  ///< messages a second of all publishers together; 0 = as fast as the window allows
  double duration = 5, warmup = 1;  ///< seconds
  std::uint32_t threads = 1;
  std::uint32_t parallel = 200;  ///< connections that are being opened at once
  std::uint32_t sources = 0;     ///< local addresses 127.0.0.2...; 0 = the system's choice, or as many as are needed
  bool subscribe = false;        ///< idle: each connection has a subscription
  bool json = false;
  std::vector<std::string> pid_list;
  std::vector<int> pids;

  bool publishes() const { return scenario != Scenario::connect && scenario != Scenario::idle; }
};

}  // namespace sb::app
