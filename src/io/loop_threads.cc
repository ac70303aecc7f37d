// SPDX-License-Identifier: MIT
#include "io/loop_threads.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

namespace sb::io {

/// One thread and the loops that it runs: its lead first, which is its own, then its guests. Without loops it rests.
class LoopThreads::Worker {
 public:
  Worker(LoopThreads& all, std::size_t index) : all_(all), index_(index) {}

  /// Before start(), or any thread: from the worker that had it. The caller rings afterwards.
  void receive(Place& p) {
    std::lock_guard lock(mutex_);
    arriving_.push_back(&p);
    arrived_.store(true, std::memory_order_release);
  }
  /// Any thread: looks for what arrived, or whether to stop.
  void ring() {
    { std::lock_guard lock(mutex_); }  // behind its look, or before it
    rested_.notify_one();
    all_.places_[index_]->loop->ring();
  }
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  /// Own thread, in a turn of its lead: when the turn is over, these go.
  void give_away(std::vector<LoopBalance::Move> moves) { leaving_ = std::move(moves); }

 private:
  static constexpr int kRounds = 4;  ///< of mail between its loops, before it looks at the sockets again

  void run();
  void rest();
  void adopt();
  void hand_over();
  int time_to_wait() const;
  EventLoop::SteadyTime soon_at() const;
  void pass();
  void shared_turns();
  void begin(Place& p);
  static void end(Place& p);
  void charge(Clock::time_point now, Place* next);

  LoopThreads& all_;
  const std::size_t index_;
  std::vector<Place*> loops_;
  std::vector<LoopBalance::Move> leaving_;
  Place* running_ = nullptr;  ///< whose time it is
  Clock::time_point since_{};
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable rested_;
  std::vector<Place*> arriving_;
  std::atomic<bool> arrived_{false};  ///< there is something in arriving_
};

void LoopThreads::Worker::run() {
  ::pthread_setname_np(::pthread_self(), ("loops-" + std::to_string(index_)).c_str());
  while (!all_.stopping_.load(std::memory_order_acquire)) {
    if (arrived_.load(std::memory_order_acquire)) adopt();
    if (loops_.empty()) {
      rest();
      continue;
    }
    pass();
    if (!leaving_.empty()) hand_over();
    if (!loops_.empty()) all_.look(loops_.front()->loop->turn_began());
  }
  for (Place* p : loops_) p->loop->let_go();
}

/// Until a loop arrives or all stop.
void LoopThreads::Worker::rest() {
  std::unique_lock lock(mutex_);
  rested_.wait(lock, [this] { return !arriving_.empty() || all_.stopping_.load(std::memory_order_acquire); });
}

void LoopThreads::Worker::adopt() {
  std::vector<Place*> arriving;
  {
    std::lock_guard lock(mutex_);
    arriving.swap(arriving_);
    arrived_.store(false, std::memory_order_relaxed);
  }
  // The own one first: it is what the others are watched by.
  std::partition(arriving.begin(), arriving.end(), [this](Place* p) { return p->home == index_; });
  for (Place* p : arriving) {
    p->loop->take_over();
    p->thread.store(index_, std::memory_order_relaxed);
    p->has_events = false;
    loops_.push_back(p);
    // What it has waiting is reported at once. Out of kernel memory it cannot be watched: then it goes home.
    if (p != loops_.front() && loops_.front()->loop->add(p->loop->fd(), EPOLLIN, p)) {
      leaving_.push_back({p->home, p->home});
      all_.moving_.fetch_add(1, std::memory_order_relaxed);
    }
    all_.moving_.fetch_sub(1, std::memory_order_release);
  }
}

/// Between two turns. What is on its way rings nobody: whoever gets it looks into its mailbox before it waits.
void LoopThreads::Worker::hand_over() {
  charge(Clock::now(), nullptr);
  std::vector<LoopBalance::Move> leaving;
  leaving.swap(leaving_);
  std::sort(leaving.begin(), leaving.end(),
            [this](auto& a, auto& b) { return (a.loop == index_) < (b.loop == index_); });  // the lead last
  for (auto& m : leaving) {
    Place* p = all_.places_[m.loop].get();
    if (p != loops_.front()) loops_.front()->loop->remove(p->loop->fd());
    std::erase(loops_, p);
    p->loop->let_go();
    all_.workers_[m.to]->receive(*p);
    all_.moved_.fetch_add(1, std::memory_order_relaxed);
  }
  for (auto& m : leaving) all_.workers_[m.to]->ring();
}

int LoopThreads::Worker::time_to_wait() const {
  const MonoTime now = loops_.front()->loop->now();
  int ms = -1;
  for (Place* p : loops_) {
    const int due = p->has_events ? 0 : p->loop->due_in(now);
    if (due >= 0 && (ms < 0 || due < ms)) ms = due;
  }
  return ms;
}

EventLoop::SteadyTime LoopThreads::Worker::soon_at() const {
  auto first = EventLoop::SteadyTime::max();
  for (Place* p : loops_) first = std::min(first, p->loop->soon_at());
  return first;
}

/// One wait, and the turns that follow from it.
void LoopThreads::Worker::pass() {
  EventLoop& lead = *loops_.front()->loop;
  int ms = time_to_wait();
  if (ms != 0) {
    // All of them: who posts to one that is asleep rings it, and the lead's epoll reports that.
    for (Place* p : loops_)
      if (!p->loop->fall_asleep()) ms = 0;
    if (ms != 0) charge(Clock::now(), nullptr);
  }
  lead.wait(ms, soon_at());
  for (Place* p : loops_) p->loop->wake_up();
  begin(*loops_.front());
  if (loops_.size() > 1)
    shared_turns();
  else
    end(*loops_.front());
}

/// The lead's turn has begun. First all that came in, then what the loops have for each other, then what goes out: so
/// each connection is sent to once, as if all were on one loop.
void LoopThreads::Worker::shared_turns() {
  EventLoop& lead = *loops_.front()->loop;
  lead.meet_others();
  for (Place* p : loops_) {
    if (!p->has_events) continue;
    const std::size_t events = p->loop->wait(0);
    p->has_events = events == EventLoop::kEvents;  // the rest is no new edge
    if (events == 0) continue;
    begin(*p);
    p->loop->meet_others();
  }
  for (int round = 0; round < kRounds; ++round) {
    bool quiet = true;
    for (Place* p : loops_) {
      const bool due = round == 0 && (p->loop->due_in(lead.now()) == 0 || p->loop->soon_at() <= lead.turn_began());
      if (!p->in_turn && !due && !p->loop->has_mail()) continue;
      if (!p->in_turn)
        begin(*p);
      else
        charge(Clock::now(), p);
      end(*p);
      quiet = false;
    }
    if (quiet) break;
  }
}

void LoopThreads::Worker::begin(Place& p) {
  p.loop->begin_turn();
  p.in_turn = true;
  charge(p.loop->turn_began(), &p);
}

void LoopThreads::Worker::end(Place& p) {
  p.in_turn = false;
  p.loop->end_turn();
}

/// The time until `now` was the running one's; from here on it is that of `next`.
void LoopThreads::Worker::charge(Clock::time_point now, Place* next) {
  if (running_)
    running_->busy.store(running_->busy.load(std::memory_order_relaxed) + (now - since_).count(),
                         std::memory_order_relaxed);
  running_ = next;
  since_ = now;
}

LoopThreads::LoopThreads(std::vector<EventLoop*> loops, Policy policy, BalanceLimits limits)
    : policy_(policy), balance_(loops.size(), limits), busy_(loops.size()) {
  for (std::size_t i = 0; i < loops.size(); ++i) {
    places_.push_back(std::make_unique<Place>());
    places_[i]->loop = loops[i];
    places_[i]->home = i;
    workers_.push_back(std::make_unique<Worker>(*this, i));
  }
}

LoopThreads::~LoopThreads() {
  stop();
  join();
}

void LoopThreads::start() {
  moving_ = places_.size();
  for (auto& p : places_) workers_[policy_ == Policy::apart ? p->home : 0]->receive(*p);
  for (auto& w : workers_) w->start();
}

void LoopThreads::stop() {
  stopping_.store(true, std::memory_order_release);
  for (auto& w : workers_) w->ring();
}

void LoopThreads::join(const EventLoop* but) {
  for (auto& w : workers_) w->join();
  for (auto& p : places_)
    if (p->loop != but) p->loop->drop_mail();
}

/// Own thread of any worker, after each pass: now and then one of them looks whether the work lies well.
void LoopThreads::look(Clock::time_point now) {
  if (policy_ != Policy::balanced || workers_.size() < 2) return;
  if (now.time_since_epoch().count() < next_look_.load(std::memory_order_relaxed)) return;
  std::unique_lock lock(looking_, std::try_to_lock);
  if (!lock || moving_.load(std::memory_order_acquire) > 0) return;
  next_look_.store((now + balance_.limits().look_every).time_since_epoch().count(), std::memory_order_relaxed);
  for (std::size_t i = 0; i < places_.size(); ++i)
    busy_[i] = LoopBalance::Time(places_[i]->busy.load(std::memory_order_relaxed));
  order(balance_.look(now.time_since_epoch(), busy_));
}

/// Tells the threads that have these loops.
void LoopThreads::order(std::vector<LoopBalance::Move> moves) {
  moving_.fetch_add(moves.size(), std::memory_order_relaxed);
  while (!moves.empty()) {
    const std::size_t from = thread_of(moves.front().loop);
    auto rest = std::partition(moves.begin(), moves.end(), [&](auto& m) { return thread_of(m.loop) != from; });
    std::vector<LoopBalance::Move> of_one(rest, moves.end());
    moves.erase(rest, moves.end());
    places_[from]->loop->post_fn(
        [w = workers_[from].get(), of_one = std::move(of_one)]() mutable { w->give_away(std::move(of_one)); });
  }
}

bool LoopThreads::move(std::vector<LoopBalance::Move> moves) {
  std::lock_guard lock(looking_);
  if (moving_.load(std::memory_order_acquire) > 0) return false;
  order(std::move(moves));
  return true;
}

}  // namespace sb::io
