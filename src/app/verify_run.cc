// SPDX-License-Identifier: MIT
#include "app/verify_run.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>

#include "app/verify_plan.h"

namespace sb::app {
namespace {

constexpr Millis kTick{1};
constexpr Millis kOpening{30'000};    // for everybody to be connected
constexpr Millis kForgetting{5'000};  // for sessions to be removed at the end: a courtesy
constexpr Millis kWatch{100};         // how exactly signs of life are known
constexpr Millis kCutPause{50};       // at most, before a client that was cut comes back

class VerifyRun {
 public:
  VerifyRun(const VerifyOptions& o, std::vector<ClientSetup> setups, VerifyResult& out)
      : options_(o), result_(out), setups_(std::move(setups)), shared_(o, hub_, out.seed) {
    for (ClientSetup& s : setups_) {
      s.wiring.connect_timeout = millis(o.connect_timeout);
      shared_.journal.add_node(s.wiring.target.name());
      shared_.wirings.push_back(s.wiring);
    }
    shared_.base = setups_[0].options;
    run_id_ = std::uint64_t{std::random_device{}()} << 32 | std::random_device{}();
    wire_ = std::make_unique<VerifyWire>(run_id_, o.topics, static_cast<std::uint32_t>(o.payload.high));
    std::vector<VerifySubscription> plan = plan_subscriptions(o, *wire_);
    std::vector<VerifyLedger::Subscriber> expected;
    for (auto& s : plan)
      if (s.entry == expected.size()) expected.push_back({s.qos, s.copies, s.group, s.durable});
    entries_ = expected.size();
    cast_ = {static_cast<std::uint32_t>(plan.size()), o.subscribers + o.volatiles};
    std::uint32_t durable_publishers = o.publishers - o.volatile_publishers;
    ledger_ =
        std::make_unique<VerifyLedger>(o.publishers, o.topics, std::move(expected),
                                       VerifyRules{static_cast<Moment>(millis(o.margin).count()), durable_publishers});
    shared_.wire = wire_.get();
    shared_.ledger = ledger_.get();
    for (std::uint32_t i = 0; i < plan.size(); ++i)
      subscribers_.push_back(std::make_unique<VerifySubscriber>(shared_, std::move(plan[i]), id('s', i)));
    for (std::uint32_t i = 0; i < o.publishers; ++i)
      publishers_.push_back(std::make_unique<VerifyPublisher>(shared_, i, id('p', i), i < durable_publishers));
    for (auto& c : subscribers_) clients_.push_back(c.get());
    for (auto& c : publishers_) clients_.push_back(c.get());
    faults_ = std::make_unique<VerifyFaults>(hub_, o, shared_.wirings, shared_.base, id('k', 0), shared_.random);
  }

  bool run(std::string& why) {
    StopSignals signals(loop_, [this] { interrupt(); });
    StopSignals finish(loop_, [this] { interrupted_ = true; }, {SIGUSR1});
    if (std::string problem = faults_->start(); !problem.empty()) shared_.fail(problem);
    loop_.run_once(Millis(0));  // reads the clock
    shared_.began = loop_.now();
    shared_.journal.begin(std::chrono::system_clock::now());
    enter(Phase::opening);
    for (auto* c : clients_) c->open();
    loop_.timers().set(tick_, loop_.now());
    while (phase_ != Phase::done && shared_.error.empty()) loop_.run_once(Millis(1'000));
    loop_.timers().cancel(tick_);
    result_.conduct = shared_.conduct;
    result_.faults = faults_->counts();
    if (shared_.error.empty()) return true;
    why = shared_.error;
    return false;
  }

 private:
  enum class Phase : std::uint8_t { opening, publishing, draining, forgetting, done };

  // At most 23 letters and digits, which every broker accepts [MQTT-3.1.3-5].
  std::string id(char role, std::uint32_t n) const { return fmt::format("v{:010x}{}{}", run_id_ >> 24, role, n); }
  Millis in_phase() const { return loop_.now() - since_; }
  static Millis millis(double seconds) { return Millis(static_cast<std::int64_t>(seconds * 1000)); }
  void enter(Phase p) {
    phase_ = p;
    since_ = loop_.now();
  }

  void tick() {
    loop_.timers().set(tick_, loop_.now() + kTick);
    if (std::string problem = faults_->poll(loop_.now(), shared_.publishing && !interrupted_); !problem.empty())
      return shared_.fail(std::move(problem));
    if (loop_.now() >= next_watch_) {
      next_watch_ = loop_.now() + kWatch;
      for (auto& s : subscribers_) s->watch();
    }
    switch (phase_) {
      case Phase::opening:
        return open();
      case Phase::publishing:
        return publish();
      case Phase::draining:
        return drain();
      case Phase::forgetting:
        if (in_phase() > kForgetting || std::ranges::all_of(clients_, [](auto* c) { return c->gone(); }))
          enter(Phase::done);
        return;
      case Phase::done:
        return;
    }
  }

  void interrupt() {
    if (interrupted_ || phase_ != Phase::publishing) shared_.fail("interrupted");
    interrupted_ = true;
  }

  /// Nobody publishes before all have subscribed: so every message is owed to everybody whose filters match.
  void open() {
    auto ready = std::ranges::count_if(clients_, [](auto* c) { return c->ready(); });
    if (in_phase() > kOpening)
      return shared_.fail(fmt::format("only {} of {} clients could connect to {} and subscribe within {} seconds",
                                      ready, clients_.size(), shared_.wirings[0].target.name(),
                                      kOpening.count() / 1000));
    if (static_cast<std::size_t>(ready) < clients_.size()) return;
    shared_.opened = shared_.publishing = true;
    enter(Phase::publishing);
    if (!options_.client.quiet) fmt::print(stderr, "signalbox verify: everybody has connected, publishing\n");
    shared_.pauses.begin(entries_, shared_.moment());
    shared_.last_delivery = loop_.now();
    next_cut_ = loop_.now() + millis(options_.cut.pick(shared_.random));
    if (options_.rate <= 0)
      for (auto& p : publishers_) p->fill();
  }

  void publish() {
    show_progress();
    if (options_.rate > 0) pace();
    disturb();
    bool long_enough = !options_.until_signal && in_phase() >= millis(options_.duration) && faults_->enough();
    if ((!long_enough && !interrupted_) || !faults_->idle()) return;
    MonoTime now = loop_.now();
    shared_.conduct.longest_pause = std::max(shared_.conduct.longest_pause, now - shared_.last_delivery);
    shared_.pauses.end(shared_.moment());
    shared_.conduct.pauses = shared_.pauses.summary();
    result_.worst_pause_until = shared_.journal.time(shared_.conduct.pauses.until);
    result_.publishing_seconds = static_cast<double>(in_phase().count()) / 1e3;
    shared_.publishing = false;
    shared_.last_news = now;
    enter(Phase::draining);
  }

  /// Spreads the publishes over the time. What nobody can take while brokers are away is not made up for, beyond a
  /// second.
  void pace() {
    double due = static_cast<double>(in_phase().count()) / 1e3 * options_.rate;
    if (due - paced_ > options_.rate + 1) paced_ = due - options_.rate - 1;
    for (std::size_t refused = 0; paced_ + 1 <= due && refused < publishers_.size();) {
      turn_ = (turn_ + 1) % publishers_.size();
      if (publishers_[turn_]->publish()) {
        ++paced_;
        refused = 0;
      } else {
        ++refused;
      }
    }
  }

  /// Cuts connections, and keeps about a quarter of the subscribers away.
  void disturb() {
    MonoTime now = loop_.now();
    if (options_.cut.high > 0 && now >= next_cut_) {
      if (VerifyClient* c = clients_[shared_.random() % clients_.size()]; c->up() && !c->away()) {
        c->cut(Millis(static_cast<std::int64_t>(shared_.random() % static_cast<std::uint64_t>(kCutPause.count()))));
        ++shared_.conduct.cuts;
        next_cut_ = now + millis(options_.cut.pick(shared_.random));
      }
    }
    if (options_.away.high <= 0) return;
    auto away = static_cast<std::size_t>(std::ranges::count_if(subscribers_, [](auto& s) { return s->away(); }));
    if (away >= std::max<std::size_t>(1, subscribers_.size() / 4)) return;
    VerifySubscriber& s = *subscribers_[shared_.random() % subscribers_.size()];
    if (!s.up() || s.away()) return;
    Millis absence = millis(options_.away.pick(shared_.random));
    shared_.random() % 2 ? s.leave(absence) : s.cut(absence);
    ++shared_.conduct.absences;
  }

  /// Until nothing new comes to clients that are all there, from a broker that has read all that they sent. Silence
  /// alone is not enough: a broker that works its way through thousands of acknowledgements sends no message for
  /// seconds.
  void drain() {
    auto here = static_cast<std::size_t>(std::ranges::count_if(clients_, [](auto* c) { return c->up(); }));
    if (here < clients_.size()) shared_.last_news = loop_.now();
    bool answered = std::ranges::all_of(publishers_, [](auto& p) { return p->unacknowledged() == 0; });
    bool quiet = here == clients_.size() && answered && has_settled() && has_waited();
    bool late = in_phase() >= millis(options_.drain);
    if (!quiet && !late) return;
    shared_.conduct.unreachable = clients_.size() - here;
    shared_.conduct.unfinished = !quiet && answered && here == clients_.size();
    result_.draining_seconds = static_cast<double>(in_phase().count()) / 1e3;
    ledger_->close();
    result_.counts = ledger_->counts();
    for (const Finding& f : ledger_->findings())
      result_.findings.push_back(trace(f, *ledger_, shared_.journal, cast_, *wire_));
    enter(Phase::forgetting);
    for (auto* c : clients_) c->forget();
  }

  bool has_settled() {
    MonoTime now = loop_.now();
    if (shared_.last_news >= asked_) {  // after the last question, or before the first
      if (now - shared_.last_news < millis(options_.settle / 2)) return false;
      asked_ = answered_ = now;
      for (auto* c : clients_) c->ask();
      return false;
    }
    if (!std::ranges::all_of(clients_, [](auto* c) { return c->answered(); })) answered_ = now;
    return now - answered_ >= millis(options_.settle / 2);
  }

  /// While something is missing the silence has to be longer.
  bool has_waited() {
    double patience = options_.patience > 0 ? options_.patience : 5 * options_.settle;
    if (loop_.now() - shared_.last_news >= millis(patience)) return true;
    if (judged_ != asked_) {
      judged_ = asked_;
      complete_ = ledger_->outstanding() == 0;
    }
    return complete_;
  }

  void show_progress() {
    if (!isatty(STDERR_FILENO) || options_.client.quiet || loop_.now() < next_shown_) return;
    next_shown_ = loop_.now() + Millis(1'000);
    const VerifyCounts& c = ledger_->counts();
    fmt::print(stderr, "\r{} s: {} sent, {} acknowledged, {} delivered, {} kills\033[K", in_phase().count() / 1000,
               c.sent, c.acknowledged, c.delivered, faults_->counts().kills);
  }

  const VerifyOptions& options_;
  VerifyResult& result_;
  std::vector<ClientSetup> setups_;
  io::EventLoop loop_;
  client::Hub hub_{loop_};
  VerifyShared shared_;
  std::uint64_t run_id_ = 0;
  std::unique_ptr<VerifyWire> wire_;
  std::unique_ptr<VerifyLedger> ledger_;
  std::vector<std::unique_ptr<VerifySubscriber>> subscribers_;
  std::vector<std::unique_ptr<VerifyPublisher>> publishers_;
  std::vector<VerifyClient*> clients_;
  std::unique_ptr<VerifyFaults> faults_;
  CallTimer tick_{[this] { tick(); }};
  std::size_t entries_ = 0;  ///< subscribers in the books
  VerifyCast cast_;
  Phase phase_ = Phase::opening;
  MonoTime since_{}, next_cut_{}, next_shown_{}, next_watch_{};
  MonoTime asked_{}, answered_{};  ///< the question of ask(), in the drain
  MonoTime judged_{};              ///< the question after which complete_ was found out
  bool complete_ = false;          ///< nothing is missing
  double paced_ = 0;               ///< publishes so far
  std::size_t turn_ = 0;           ///< whose turn it is to publish
  bool interrupted_ = false;
};

}  // namespace

std::vector<std::string> complaints(const VerifyCounts& counts, const VerifyConduct& conduct) {
  std::vector<std::string> all = complaints(counts);
  auto say = [&](std::uint64_t n, std::string what) {
    if (n) all.push_back(std::move(what));
  };
  say(conduct.unasked_sessions,
      fmt::format("{} times a client without a session was given one", conduct.unasked_sessions));
  say(conduct.unreachable, fmt::format("{} clients could not connect at the end", conduct.unreachable));
  say(conduct.unfinished, "the broker was still busy when the time to drain was over; see --drain");
  return all;
}

bool run_verify(const VerifyOptions& options, std::vector<ClientSetup> setups, VerifyResult& out, std::string& why) {
  out.seed = options.seed ? options.seed : std::random_device{}();
  auto run = std::make_unique<VerifyRun>(options, std::move(setups), out);
  bool good = run->run(why);
  if (isatty(STDERR_FILENO) && !options.client.quiet) fmt::print(stderr, "\r\033[K");
  if (good) out.complaints = complaints(out.counts, out.conduct);
  return good;
}

}  // namespace sb::app
