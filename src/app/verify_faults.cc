// SPDX-License-Identifier: MIT
#include "app/verify_faults.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "app/bench_process.h"

namespace sb::app {
namespace {

constexpr auto kDying = Seconds(10);  // a process that SIGKILL does not end by then hangs in the kernel

/// The process is gone, or only waits for its parent to take note.
bool gone(int pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(in, line)) return true;
  auto bracket = line.rfind(')');
  return bracket == std::string::npos || bracket + 2 >= line.size() || line[bracket + 2] == 'Z';
}

int read_pid(const std::string& file) {
  std::ifstream in(file);
  int pid = 0;
  return in >> pid ? pid : 0;
}

}  // namespace

std::string ShellCommand::start(const std::string& command) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, 2, 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t set;
  sigemptyset(&set);
  posix_spawnattr_setsigmask(&attributes, &set);
  sigaddset(&set, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &set);
  std::string text = command;
  char shell[] = "sh", flag[] = "-c";
  char* arguments[] = {shell, flag, text.data(), nullptr};
  int error = posix_spawn(&pid_, "/bin/sh", &files, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error == 0) return "";
  pid_ = -1;
  return fmt::format("cannot run \"{}\": {}", command, std::strerror(error));
}

bool ShellCommand::running() {
  int status = 0;
  if (pid_ < 0) return false;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  pid_ = -1;
  return false;
}

void ShellCommand::signal(int number) const {
  if (pid_ > 0) ::kill(-pid_, number);
}

VerifyProbe::VerifyProbe(client::Hub& hub, client::Wiring wiring, client::Options options, std::string id)
    : wiring_(std::move(wiring)),
      options_(std::move(options)),
      connection_(hub, wiring_, options_, std::move(id), *this) {
  options_.clean_start = true;
  options_.session_expiry.reset();
  wiring_.reconnect_min = Millis(10);
  wiring_.reconnect_max = Millis(50);
  wiring_.connect_timeout = Millis(2'000);
}

void VerifyProbe::start() { connection_.connect(); }

void VerifyProbe::on_connected(const mqtt::Connack&) {
  accepted_ = true;
  connection_.disconnect();
}

VerifyFaults::VerifyFaults(client::Hub& hub, const VerifyOptions& options, std::vector<client::Wiring> wirings,
                           client::Options probe_options, std::string probe_id, Random& random)
    : hub_(hub),
      options_(options),
      wirings_(std::move(wirings)),
      probe_options_(std::move(probe_options)),
      probe_id_(std::move(probe_id)),
      random_(random) {}

/// A broker that we have started is ended as an operator would.
VerifyFaults::~VerifyFaults() {
  command_.signal(SIGTERM);
  if (!broker_started_) return;
  broker_.signal(SIGTERM);
  auto limit = std::chrono::steady_clock::now() + kDying;
  while (broker_.running() && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  broker_.signal(SIGKILL);
}

std::string VerifyFaults::start() {
  if (options_.broker.empty()) return "";
  broker_started_ = true;
  // exec: the group then has no shell that outlives a kill of the broker by others.
  return broker_.start("exec " + options_.broker);
}

Millis VerifyFaults::some(const Span& seconds) {
  return Millis(static_cast<std::int64_t>(seconds.pick(random_) * 1000));
}

std::string VerifyFaults::poll(MonoTime now, bool more) {
  if (!options_.fault.empty()) poll_command(now, more);
  if (kills()) return poll_kill(now, more);
  if (broker_started_ && !broker_.running())
    return fmt::format("the broker has ended with status {}", broker_.status());
  return "";
}

void VerifyFaults::poll_command(MonoTime now, bool more) {
  if (command_running_) {
    if (command_.running()) return;
    command_running_ = false;
    next_command_.reset();
    if (command_.status() != 0) ++counts_.failed_commands;
  }
  if (!next_command_) next_command_ = now + some(options_.fault_every);
  if (!more || now < *next_command_) return;
  ++counts_.commands;
  if (command_.start(options_.fault).empty())
    command_running_ = true;
  else
    ++counts_.failed_commands, next_command_.reset();
}

std::string VerifyFaults::poll_kill(MonoTime now, bool more) {
  switch (step_) {
    case Step::waiting:
      if (broker_started_ && !broker_.running())
        return fmt::format("the broker has ended by itself, with status {}", broker_.status());
      if (!next_kill_) next_kill_ = now + some(options_.kill_every);
      if (!more || counts_.kills >= options_.kills || now < *next_kill_) return "";
      next_kill_.reset();
      return kill_one(now);
    case Step::dying:
      if (broker_started_ ? broker_.running() : !gone(victim_pid_))
        return now < limit_ ? "" : fmt::format("process {} has not ended after SIGKILL", victim_pid_);
      return restart(now);
    case Step::starting:
      return await_start(now);
  }
  return "";
}

std::string VerifyFaults::kill_one(MonoTime now) {
  step_ = Step::dying;
  killed_ = now;
  limit_ = now + kDying;
  if (broker_started_) {
    broker_.signal(SIGKILL);
    return "";
  }
  victim_ = random_() % options_.pid_files.size();
  const std::string& file = options_.pid_files[victim_];
  victim_pid_ = read_pid(file);
  if (victim_pid_ <= 1 || gone(victim_pid_)) return fmt::format("{} names no process that runs", file);
  if (::kill(victim_pid_, SIGKILL) != 0)
    return fmt::format("cannot kill process {}: {}", victim_pid_, std::strerror(errno));
  return "";
}

std::string VerifyFaults::restart(MonoTime now) {
  step_ = Step::starting;
  limit_ = now + Millis(static_cast<std::int64_t>(options_.restart * 1000));
  std::string why;
  if (broker_started_) {
    why = broker_.start("exec " + options_.broker);
  } else {
    std::erase_if(restarted_, [](auto& c) { return !c->running(); });
    restarted_.push_back(std::make_unique<ShellCommand>());
    why = restarted_.back()->start(options_.restarts[victim_ % options_.restarts.size()]);
  }
  probe_ = std::make_unique<VerifyProbe>(hub_, wirings_[victim_ % wirings_.size()], probe_options_, probe_id_);
  probe_->start();
  return why;
}

std::string VerifyFaults::await_start(MonoTime now) {
  if (probe_->accepted()) {
    probe_.reset();
    ++counts_.kills;
    counts_.longest_restart = std::max(counts_.longest_restart, now - killed_);
    step_ = Step::waiting;
    return "";
  }
  if (broker_started_ && !broker_.running())
    return fmt::format("the broker did not start again after kill {}: its status is {}", counts_.kills + 1,
                       broker_.status());
  if (!restarted_.empty() && !restarted_.back()->running() && restarted_.back()->status() != 0)
    return fmt::format("the restart command has failed with status {} after kill {}", restarted_.back()->status(),
                       counts_.kills + 1);
  if (now < limit_) return "";
  return fmt::format("the broker accepted nobody within {:.0f} s of kill {}", options_.restart, counts_.kills + 1);
}

}  // namespace sb::app
