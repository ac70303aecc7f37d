// SPDX-License-Identifier: MIT
#include "app/client_run.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>

#include "app/commands.h"

namespace sb::app {

using client::errc;

std::string in_words(mqtt::Reason reason, std::string_view text) {
  std::string s = fmt::format("{} (0x{:02x})", mqtt::text(reason), static_cast<unsigned>(reason));
  return text.empty() ? s : fmt::format("{}: {}", s, text);
}

namespace {

/// The other side closed before it said anything.
bool hung_up(const error_code& e) {
  return e == errc::connection_closed || e == boost::system::errc::connection_reset ||
         e == boost::system::errc::broken_pipe;
}

}  // namespace

std::string explain(const client::Stop& stop, const client::Target& target, bool was_up) {
  std::string where = target.name();
  if (stop.code == errc::refused || stop.code == errc::server_disconnect) {
    std::string s =
        fmt::format("{} {}: {}", where, stop.code == errc::refused ? "refused the connection" : "closed the connection",
                    in_words(stop.reason, stop.text));
    return stop.server_reference.empty() ? s : fmt::format("{}; it names another server: {}", s, stop.server_reference);
  }
  std::string what = stop.code.message();
  if (!stop.text.empty()) what = fmt::format("{}: {}", what, stop.text);
  if (was_up) return fmt::format("the connection to {} is lost: {}", where, what);
  if (hung_up(stop.code)) {
    return fmt::format("{} closed the connection before it was accepted; does it speak {}?", where,
                       target.tls         ? "MQTT over TLS"
                       : target.websocket ? "MQTT over WebSocket"
                                          : "MQTT without TLS");
  }
  std::string s = fmt::format("cannot connect to {}: {}", where, what);
  bool nobody = stop.code == boost::system::errc::connection_refused ||
                stop.code == boost::system::errc::no_such_file_or_directory;
  return nobody ? s + "; is a broker running there?" : s;
}

StopSignals::StopSignals(io::EventLoop& loop, std::function<void()> stop)
    : StopSignals(loop, std::move(stop), {SIGINT, SIGTERM}) {}

StopSignals::StopSignals(io::EventLoop& loop, std::function<void()> stop, std::initializer_list<int> signals)
    : loop_(loop), stop_(std::move(stop)) {
  sigset_t set;
  sigemptyset(&set);
  for (int number : signals) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  loop_.add(fd_, EPOLLIN, this);
}

StopSignals::~StopSignals() {
  loop_.remove(fd_);
  ::close(fd_);
}

void StopSignals::on_events(std::uint32_t) {
  signalfd_siginfo info;
  while (::read(fd_, &info, sizeof info) == sizeof info) stop_();
}

ClientRun::ClientRun(const ClientFlags& flags, ClientSetup& setup, std::string command)
    : flags_(flags),
      setup_(setup),
      command_(std::move(command)),
      connection_(hub_, setup.wiring, setup.options, setup.client_id, *this, setup.source ? &*setup.source : nullptr) {}

int ClientRun::run() {
  StopSignals signals(loop_, [this] { on_interrupt(); });
  debug(fmt::format("connecting to {} as {}", setup_.wiring.target.name(), setup_.client_id));
  connection_.connect();
  while (!done_) loop_.run_once(Millis(60'000));
  connection_.abort();
  return code_;
}

void ClientRun::on_connected(const mqtt::Connack& c) {
  debug(fmt::format("connected to {}{}", setup_.wiring.target.name(), c.session_present ? ", session present" : ""));
  was_up_ = true;
  if (reconnect_) {
    setup_.wiring.reconnect_min = Millis(1'000);
    setup_.wiring.reconnect_max = Millis(30'000);
  }
}

void ClientRun::on_closed(const client::Stop& stop) {
  if (!stop.code) return finish(code_);
  bool unknown_version = stop.code == errc::refused && stop.reason == mqtt::Reason::unsupported_protocol_version;
  if (unknown_version && !was_up_ && !setup_.version_given && setup_.options.version == mqtt::Version::v5)
    return finish(kTryOlderVersion);
  std::string why = explain(stop, setup_.wiring.target, was_up_);
  if (connection_.will_retry()) return warn(why + "; trying again");
  if (!setup_.version_given && !was_up_ && hung_up(stop.code)) why += " If it knows no MQTT 5, add -V mqttv311.";
  fail(why);
  finish(code_);
}

void ClientRun::leave() {
  leaving_ = true;
  connection_.disconnect(mqtt::Reason::success, setup_.properties.disconnect);
}

void ClientRun::finish(int code) {
  code_ = code;
  done_ = true;
}

void ClientRun::fail(const std::string& message) {
  warn(message);
  code_ = kFailure;
}

void ClientRun::warn(const std::string& message) const {
  if (!flags_.quiet) fmt::print(stderr, "signalbox {}: {}\n", command_, message);
}

void ClientRun::debug(const std::string& message) const {
  if (flags_.debug) fmt::print(stderr, "signalbox {}: {}\n", command_, message);
}

int run_client(const ClientFlags& flags, ClientSetup setup, const std::string& command,
               const std::function<std::unique_ptr<ClientRun>(ClientSetup&)>& make) {
  signal(SIGPIPE, SIG_IGN);  // `sub | head` ends with a message, not with a signal
  auto addresses = client::resolve(setup.wiring.target);
  if (!addresses) {
    if (!flags.quiet)
      fmt::print(stderr, "signalbox {}: cannot connect to {}: {}\n", command, setup.wiring.target.name(),
                 addresses.error().message());
    return kFailure;
  }
  setup.wiring.addresses = std::move(*addresses);
  int code = make(setup)->run();
  if (code != kTryOlderVersion) return code;
  if (flags.debug) fmt::print(stderr, "signalbox {}: the broker knows no MQTT 5; trying 3.1.1\n", command);
  setup.options.version = mqtt::Version::v311;
  setup.version_given = true;
  return make(setup)->run();
}

}  // namespace sb::app
