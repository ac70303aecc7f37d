// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <initializer_list>
#include <string>

#include "app/client_flags.h"
#include "client/connection.h"
#include "client/hub.h"
#include "io/event_loop.h"

namespace sb::app {

/// What went wrong, in a sentence for the user: names host and port, the broker's reason and its text.
/// `was_up`: the connection had been accepted before.
std::string explain(const client::Stop& stop, const client::Target& target, bool was_up);

/// A reason as messages show it: "not authorized (0x87)", with the broker's own text behind a colon.
std::string in_words(mqtt::Reason reason, std::string_view text = {});

/// A timer that calls a function.
class CallTimer final : public io::Timer {
 public:
  explicit CallTimer(std::function<void()> f) : f_(std::move(f)) {}
  void on_timer() override { f_(); }

 private:
  std::function<void()> f_;
};

/// Makes signals an event of a loop, SIGINT and SIGTERM if nothing else is said. Owner: the main thread, before others
/// are started.
class StopSignals final : io::EventHandler {
 public:
  StopSignals(io::EventLoop& loop, std::function<void()> stop);
  StopSignals(io::EventLoop& loop, std::function<void()> stop, std::initializer_list<int> signals);
  ~StopSignals();

 private:
  void on_events(std::uint32_t) override;
  io::EventLoop& loop_;
  std::function<void()> stop_;
  int fd_;
};

/// One client of a command: loop, connection and exit code. Commands derive from it and override what they need of
/// Handler, calling the version here.
class ClientRun : public client::Handler {
 public:
  ClientRun(const ClientFlags& flags, ClientSetup& setup, std::string command);
  virtual ~ClientRun() = default;

  /// Connects and runs until finish(). @return the exit code
  int run();

 protected:
  void on_connected(const mqtt::Connack& c) override;
  void on_closed(const client::Stop& stop) override;
  /// SIGINT or SIGTERM; by default disconnects.
  virtual void on_interrupt() { leave(); }

  /// Disconnects; run() returns when that is done.
  void leave();
  /// run() returns `code` now.
  void finish(int code);
  void fail(const std::string& message);  ///< says it, and the exit code will be 1
  void warn(const std::string& message) const;
  void debug(const std::string& message) const;

  client::Engine& engine() { return connection_.engine(); }
  const ClientFlags& flags_;
  ClientSetup& setup_;
  std::string command_;
  io::EventLoop loop_;
  client::Hub hub_{loop_};
  client::Connection connection_;
  bool was_up_ = false;
  bool leaving_ = false;
  bool reconnect_ = false;  ///< after a connection that was accepted once
  int code_ = 0;

 private:
  bool done_ = false;
};

/// Makes a run for `setup` by `make` and runs it; a second time with MQTT 3.1.1 when the broker does not know version 5
/// and the user did not insist. Looks up the host.
int run_client(const ClientFlags& flags, ClientSetup setup, const std::string& command,
               const std::function<std::unique_ptr<ClientRun>(ClientSetup&)>& make);

inline constexpr int kTryOlderVersion = -1;  ///< between ClientRun and run_client

}  // namespace sb::app
