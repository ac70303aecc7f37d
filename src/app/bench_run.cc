// SPDX-License-Identifier: MIT
#include "app/bench_run.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "app/bench_connect.h"
#include "app/bench_flow.h"

namespace sb::app {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(2);
constexpr std::uint32_t kPortsPerSource = 20'000;  // of 28,232 ephemeral ports to one destination

volatile sig_atomic_t interrupted = 0;

double seconds_since(SteadyClock::time_point t) {
  return std::chrono::duration<double>(SteadyClock::now() - t).count();
}

/// Files for all connections; what is missing, or "".
std::string raise_file_limit(std::uint64_t wanted) {
  rlimit r{};
  getrlimit(RLIMIT_NOFILE, &r);
  if (r.rlim_cur >= wanted) return "";
  rlimit higher{std::min<rlim_t>(wanted, r.rlim_max), r.rlim_max};
  if (wanted > r.rlim_max) {
    rlimit beyond{wanted, wanted};
    if (setrlimit(RLIMIT_NOFILE, &beyond) == 0) return "";  // root may
    return fmt::format("{} connections need more open files than the limit of {}; raise it with `ulimit -n {}`", wanted,
                       r.rlim_max, wanted);
  }
  setrlimit(RLIMIT_NOFILE, &higher);
  return "";
}

class Controller {
 public:
  Controller(const BenchOptions& o, ClientSetup setup) : options_(o), shared_(o, std::move(setup)) {}

  bool run(BenchResult& out, std::string& why) {
    result_ = &out;
    bool good = prepare() && open_all() && (options_.scenario == Scenario::idle ? hold() : measure());
    for (auto& w : shared_.workers) w->stop();
    why = !shared_.error().empty() ? shared_.error() : interrupted ? "interrupted" : why_;
    if (shared_.failed || !good) return false;
    sum_up();
    return true;
  }

 private:
  std::uint32_t all_clients() const { return options_.publishes() ? options_.pubs + options_.subs : options_.conns; }
  bool fail(std::string why) { return why_ = std::move(why), false; }

  bool prepare() {
    if (std::string missing = raise_file_limit(all_clients() + 100ull); !missing.empty()) return fail(missing);
    shared_.prefix = fmt::format("bench{:08x}", std::random_device{}());
    choose_sources();
    client::Wiring& w = shared_.setup.wiring;
    w.reconnect_min = Millis(200);
    w.reconnect_max = Millis(2'000);
    w.connect_timeout = Millis(30'000);
    pub_options_ = sub_options_ = shared_.setup.options;
    pub_options_.resend = sub_options_.resend = false;  // what a lost connection loses is to be seen
    pub_options_.max_inflight =
        static_cast<std::uint16_t>(std::min(options_.rate > 0 ? 65'000u : options_.window, 65'000u));
    pub_options_.output_limit = 1024 * 1024;
    for (std::uint32_t i = 0; i < options_.threads; ++i)
      shared_.workers.push_back(std::make_unique<BenchWorker>(shared_, i));
    if (options_.publishes()) {
      subscribers_ = build_flow(shared_, pub_options_, sub_options_, group_);
    } else {
      options_.scenario == Scenario::connect ? build_connect(shared_, pub_options_) : build_idle(shared_, sub_options_);
      subscribers_.assign(shared_.workers.size(), 0);
    }
    result_->receivers_per_message = shared_.receivers_per_message;
    result_->rss_before = use_of(options_.pids).rss_bytes;
    for (auto& worker : shared_.workers) worker->start();
    return true;
  }

  void choose_sources() {
    const client::Target& t = shared_.setup.wiring.target;
    bool loopback = t.unix_path.empty() && t.host.starts_with("127.");
    std::uint32_t n = options_.sources;
    if (n == 0 && loopback && (all_clients() > kPortsPerSource || options_.scenario == Scenario::connect))
      n = std::max(20u, all_clients() / kPortsPerSource + 1);
    for (std::uint32_t i = 0; i < n; ++i)
      if (auto a = client::parse_ip(fmt::format("127.0.{}.{}", i / 250, i % 250 + 2))) shared_.sources.push_back(*a);
    if (shared_.sources.empty() && shared_.setup.source) shared_.sources.push_back(*shared_.setup.source);
  }

  /// Waits until `done`, or the run has failed. False after `limit` seconds without `progress` changing.
  template <class Done, class Progress>
  bool wait(double limit, Done done, Progress progress) {
    auto since = SteadyClock::now();
    auto before = progress();
    while (!done()) {
      if (shared_.failed || interrupted) return false;
      std::this_thread::sleep_for(kPoll);
      if (auto now = progress(); now != before) before = now, since = SteadyClock::now();
      if (seconds_since(since) > limit) return false;
    }
    return true;
  }
  std::uint32_t ready() const {
    std::uint32_t n = 0;
    for (auto& w : shared_.workers) n += w->ready();
    return n;
  }
  BenchCounts live() const {
    BenchCounts c;
    for (auto& w : shared_.workers) c.add(w->live());
    return c;
  }
  void enter(BenchPhase p) {
    for (auto& w : shared_.workers) w->enter(p);
    auto all_there = [&] { return std::ranges::all_of(shared_.workers, [p](auto& w) { return w->entered() == p; }); };
    while (!all_there()) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }

  /// Subscribers first, so that nothing is published past them.
  bool open_all() {
    if (options_.scenario == Scenario::connect) return true;
    auto begin = SteadyClock::now();
    double cpu = use_of(options_.pids).cpu_seconds;
    std::uint32_t wanted = 0;
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < shared_.workers.size(); ++i) {
        std::size_t first = round == 0 ? 0 : subscribers_[i];
        std::size_t last = round == 0 ? subscribers_[i] : shared_.workers[i]->clients();
        wanted += static_cast<std::uint32_t>(last - first);
        if (last > first) shared_.workers[i]->open(first, last);
      }
      if (wait(
              30, [&] { return ready() >= wanted; }, [&] { return ready(); }))
        continue;
      return fail(fmt::format("only {} of {} connections were accepted within 30 seconds", ready(), wanted));
    }
    result_->opening_seconds = seconds_since(begin);
    result_->opening_cpu_seconds = use_of(options_.pids).cpu_seconds - cpu;
    return true;
  }

  bool hold() {
    Window window(*this);
    sleep_measuring(options_.duration);
    window.close();
    result_->open = ready();
    return !interrupted;
  }

  /// CPU and time from its making to close().
  class Window {
   public:
    explicit Window(Controller& c)
        : c_(c), begin_(SteadyClock::now()), broker_(use_of(c.options_.pids).cpu_seconds), own_(own_cpu_seconds()) {}
    void close() {
      BenchResult& r = *c_.result_;
      r.seconds = seconds_since(begin_);
      ProcessUse use = use_of(c_.options_.pids);
      r.broker_cpu_seconds = use.cpu_seconds - broker_;
      r.rss_after = use.rss_bytes;
      r.own_cpu_seconds = own_cpu_seconds() - own_;
    }

   private:
    Controller& c_;
    SteadyClock::time_point begin_;
    double broker_, own_;
  };

  bool measure() {
    enter(BenchPhase::warmup);
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.warmup));
    enter(BenchPhase::measure);
    Window window(*this);
    sleep_measuring(options_.duration);
    enter(BenchPhase::drain);
    window.close();
    if (!options_.publishes()) return true;
    std::uint64_t fan = shared_.receivers_per_message;
    std::this_thread::sleep_for(kPoll);
    wait(
        2,
        [&] {
          BenchCounts c = live();
          return c.received >= c.published * fan;
        },
        [&] { return live().received; });
    return !shared_.failed;
  }

  /// Shows the rates of each second on a terminal.
  void sleep_measuring(double seconds) {
    bool show = isatty(STDERR_FILENO) && !options_.client.quiet;
    auto begin = SteadyClock::now();
    BenchCounts before = live();
    double shown = 0;
    while (seconds_since(begin) < seconds && !shared_.failed && !interrupted) {
      std::this_thread::sleep_for(kPoll);
      double now = seconds_since(begin);
      if (!show || now - shown < 1) continue;
      BenchCounts c = live();
      double step = now - shown;
      auto rate = [step](std::uint64_t a, std::uint64_t b) { return static_cast<double>(a - b) / step; };
      if (options_.publishes())
        fmt::print(stderr, "\r{:.0f} s: {:.0f} published/s, {:.0f} delivered/s\033[K", now,
                   rate(c.published, before.published), rate(c.received, before.received));
      else
        fmt::print(stderr, "\r{:.0f} s: {:.0f} connects/s\033[K", now, rate(c.connects, before.connects));
      before = c;
      shown = now;
    }
    if (show && shown > 0) fmt::print(stderr, "\r\033[K");
  }

  void sum_up() {
    BenchResult& r = *result_;
    BenchCounts before;
    BenchCounts end;
    for (auto& w : shared_.workers) {
      before.add(w->at(BenchPhase::measure));
      end.add(w->at(BenchPhase::drain));
      r.total.add(w->counts);
      r.latency.add(w->latency());
    }
    auto difference = [&](std::uint64_t BenchCounts::*m) { r.measured.*m = end.*m - before.*m; };
    for (auto m : {&BenchCounts::published, &BenchCounts::acknowledged, &BenchCounts::received, &BenchCounts::connects})
      difference(m);
    std::uint64_t expected = (r.total.published - r.total.refused) * r.receivers_per_message;
    std::uint64_t came = r.total.received - r.total.duplicates;
    r.lost = expected > came ? expected - came : 0;
  }

  const BenchOptions& options_;
  client::Options pub_options_, sub_options_;
  std::vector<SequenceTracker> group_;
  BenchShared shared_;
  std::vector<std::size_t> subscribers_;  ///< of each worker's clients, the first ones
  BenchResult* result_ = nullptr;
  std::string why_;
};

}  // namespace

bool run_bench(const BenchOptions& options, ClientSetup setup, std::unique_ptr<BenchResult>& out, std::string& why) {
  struct sigaction action {
  }, int_before{}, term_before{};
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, &int_before);
  sigaction(SIGTERM, &action, &term_before);
  out = std::make_unique<BenchResult>();
  auto controller = std::make_unique<Controller>(options, std::move(setup));
  bool good = controller->run(*out, why);
  sigaction(SIGINT, &int_before, nullptr);
  sigaction(SIGTERM, &term_before, nullptr);
  return good;
}

}  // namespace sb::app
