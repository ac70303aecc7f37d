// SPDX-License-Identifier: MIT
#include "io/event_loop.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

namespace sb::io {
namespace {
error_code last_error() { return {errno, boost::system::system_category()}; }
}  // namespace

EventLoop::EventLoop(Turn* turn) : turn_(turn) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll_ < 0 || wake_fd_ < 0) throw std::system_error(errno, std::system_category(), "epoll/eventfd");
  // Edge-triggered and never read: each write is a new edge, so a wake-up costs one system call, not two.
  epoll_event e{};
  e.events = EPOLLIN | EPOLLET;
  e.data.ptr = nullptr;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_fd_, &e) < 0)
    throw std::system_error(errno, std::system_category(), "epoll_ctl");
  read_clocks();
}

EventLoop::~EventLoop() {
  ::close(wake_fd_);
  ::close(epoll_);
}

error_code EventLoop::add(int fd, std::uint32_t events, EventHandler* handler) {
  assert(mine());
  epoll_event e{};
  e.events = events | EPOLLET;
  e.data.ptr = handler;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) < 0 ? last_error() : error_code{};
}

error_code EventLoop::modify(int fd, std::uint32_t events, EventHandler* handler) {
  assert(mine());
  epoll_event e{};
  e.events = events | EPOLLET;
  e.data.ptr = handler;
  return epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &e) < 0 ? last_error() : error_code{};
}

void EventLoop::remove(int fd) {
  assert(mine());
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::ring() {
  std::uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(wake_fd_, &one, sizeof one);  // a full counter is awake already
}

void EventLoop::stop() {
  stopping_.store(true, std::memory_order_seq_cst);
  ring();
}

void EventLoop::read_clocks() {
  began_ = std::chrono::steady_clock::now();
  now_ = std::chrono::time_point_cast<Millis>(began_);
  timespec t;
  clock_gettime(CLOCK_REALTIME_COARSE, &t);  // seconds matter here, not microseconds
  wall_ = WallTime(Millis(t.tv_sec * 1000 + t.tv_nsec / 1'000'000));
}

int EventLoop::due_in(MonoTime now) const {
  if (more_) return 0;
  MonoTime next = timers_.next();
  if (next == kNever) return -1;
  return static_cast<int>(std::clamp<std::int64_t>((next - now).count(), 0, 60'000));
}

EventLoop::SteadyTime EventLoop::soon_at() const {
  SteadyTime first = SteadyTime::max();
  for (auto& s : soon_) first = std::min(first, s.at);
  return first;
}

void EventLoop::run_soon() {
  for (;;) {
    const auto due = std::find_if(soon_.begin(), soon_.end(), [this](auto& s) { return s.at <= began_; });
    if (due == soon_.end()) return;
    TurnEnd* call = due->call;
    soon_.erase(due);
    call->on_end_of_turn();
  }
}

void EventLoop::forget(TurnEnd* e) {
  std::erase_if(soon_, [e](auto& s) { return s.call == e; });
}

/// False where the kernel cannot.
bool EventLoop::wait_finely([[maybe_unused]] std::chrono::nanoseconds most) {
#ifdef SYS_epoll_pwait2
  static std::atomic<bool> there{true};
  if (!there.load(std::memory_order_relaxed)) return false;
  struct {
    std::int64_t seconds, nanoseconds;
  } t{most.count() / 1'000'000'000, most.count() % 1'000'000'000};
  const auto n = ::syscall(SYS_epoll_pwait2, epoll_, events_.data(), static_cast<int>(events_.size()), &t, nullptr, 0);
  waiting_ = n < 0 ? 0 : static_cast<std::size_t>(n);
  if (n >= 0 || errno == EINTR) return true;
  there.store(false, std::memory_order_relaxed);
#endif
  return false;
}

std::size_t EventLoop::wait(int timeout_ms, SteadyTime soon) {
  if (soon != SteadyTime::max() && timeout_ms != 0) {
    using std::chrono::nanoseconds;
    nanoseconds left = std::max<nanoseconds>(soon - std::chrono::steady_clock::now(), nanoseconds(0));
    if (timeout_ms > 0) left = std::min<nanoseconds>(left, Millis(timeout_ms));
    if (wait_finely(left)) return waiting_;
    timeout_ms = static_cast<int>(std::chrono::ceil<Millis>(left).count());
  }
  const int n = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), timeout_ms);
  waiting_ = n < 0 ? 0 : static_cast<std::size_t>(n);
  return waiting_;
}

void EventLoop::begin_turn() {
  assert(in_loop_thread());
  read_clocks();
  ++turns_;
  in_turn_ = true;
  if (turn_) turn_->on_turn_begin();
  for (std::size_t i = 0, n = std::exchange(waiting_, 0); i < n; ++i)
    if (auto* h = static_cast<EventHandler*>(events_[i].data.ptr)) h->on_events(events_[i].events);
}

void EventLoop::end_turn() {
  assert(in_loop_thread());
  box_.drain();
  timers_.run(now_);
  if (!soon_.empty()) run_soon();
  more_ = turn_ && turn_->on_turn_end();
  for (std::size_t i = 0; i < turn_ends_.size(); ++i) turn_ends_[i]->on_end_of_turn();  // grows while it is walked
  turn_ends_.clear();
  in_turn_ = false;
}

void EventLoop::run_turn(int timeout_ms) {
  // A sender that sees `asleep_` rings; one that does not has pushed before we look into the box here.
  if (timeout_ms != 0 && !fall_asleep()) timeout_ms = 0;
  wait(timeout_ms, soon_at());
  wake_up();
  begin_turn();
  end_turn();
}

void EventLoop::run() {
  take_over();
  while (!stopping_.load(std::memory_order_relaxed)) run_turn(due_in(now_));
  let_go();
}

void EventLoop::run_once(Millis max_wait) {
  take_over();
  int ms = due_in(now_), max = static_cast<int>(max_wait.count());
  run_turn(ms < 0 ? max : max < 0 ? ms : std::min(ms, max));
}

}  // namespace sb::io
