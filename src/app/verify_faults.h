// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/verify_options.h"
#include "client/connection.h"
#include "client/hub.h"

namespace sb::app {

/// A shell command in a process group of its own, so that neither a Ctrl-C at the terminal nor our blocked signals
/// reach what it starts. Its standard output goes to our standard error. Destroying it leaves the processes alone.
class ShellCommand {
 public:
  /// Why it could not be started, or "".
  std::string start(const std::string& command);
  /// Whether the shell is still there; reaps it when it has ended.
  bool running();
  /// After it has ended: 0 = success, else its exit status, 128 + signal when it was killed.
  int status() const { return status_; }
  /// Sends a signal to the whole group.
  void signal(int number) const;

 private:
  int pid_ = -1;
  int status_ = 0;
};

/// Connects to a broker again and again until it accepts a client.
class VerifyProbe final : client::Handler {
 public:
  VerifyProbe(client::Hub& hub, client::Wiring wiring, client::Options options, std::string id);
  void start();
  bool accepted() const { return accepted_; }

 private:
  void on_connected(const mqtt::Connack&) override;
  client::Wiring wiring_;
  client::Options options_;
  client::Connection connection_;
  bool accepted_ = false;
};

struct FaultCounts {
  std::uint32_t kills = 0, commands = 0, failed_commands = 0;
  Millis longest_restart{0};  ///< from a kill to the first client that was accepted
};

/// Kills brokers and runs commands at random moments. Driven by poll(); never blocks. Owner: the thread of `hub`.
class VerifyFaults {
 public:
  /// `wirings`: how each node is reached; that of the broker behind the n-th pid file is the n-th. `options`: how a
  /// probe connects.
  VerifyFaults(client::Hub& hub, const VerifyOptions& options, std::vector<client::Wiring> wirings,
               client::Options probe_options, std::string probe_id, Random& random);
  ~VerifyFaults();

  /// Starts the broker, if it is ours to start. Why not, or "".
  std::string start();
  /// To be called every few milliseconds. `more`: new faults may begin. Why the run cannot go on, or "".
  std::string poll(MonoTime now, bool more);
  /// No fault is under way.
  bool idle() const { return step_ == Step::waiting && !command_running_; }
  /// All kills that were asked for have been done and survived.
  bool enough() const { return counts_.kills >= options_.kills && step_ == Step::waiting; }
  const FaultCounts& counts() const { return counts_; }

 private:
  enum class Step : std::uint8_t {
    waiting,   ///< for the moment of the next kill
    dying,     ///< SIGKILL is sent
    starting,  ///< the restart command runs; nobody was accepted yet
  };
  std::string poll_kill(MonoTime now, bool more);
  std::string kill_one(MonoTime now);
  std::string restart(MonoTime now);
  std::string await_start(MonoTime now);
  void poll_command(MonoTime now, bool more);
  bool kills() const { return options_.kills > 0; }
  Millis some(const Span& seconds);

  client::Hub& hub_;
  const VerifyOptions& options_;
  std::vector<client::Wiring> wirings_;
  client::Options probe_options_;
  std::string probe_id_;
  Random& random_;
  Step step_ = Step::waiting;
  std::optional<MonoTime> next_kill_, next_command_;
  MonoTime killed_{}, limit_{};
  std::size_t victim_ = 0;  ///< index of pid file, restart command and node
  int victim_pid_ = 0;
  std::vector<std::unique_ptr<ShellCommand>> restarted_;  ///< may stay: a broker in the foreground is its command
  std::unique_ptr<VerifyProbe> probe_;
  ShellCommand broker_, command_;
  bool broker_started_ = false, command_running_ = false;
  FaultCounts counts_;
};

}  // namespace sb::app
