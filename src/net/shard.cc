// SPDX-License-Identifier: MIT
#include "net/shard.h"

#include <unistd.h>

#include <algorithm>

namespace sb::net {

namespace {
constexpr std::size_t kLookMore = 1000;  // connections that shut_down_some may pass over
}

/// The shard's clock for what happens now and then.
class Shard::Tick final : public io::Timer {
 public:
  explicit Tick(Shard& s) : shard_(s) { shard_.loop_.timers().set(*this, shard_.loop_.now() + kStep); }
  ~Tick() { shard_.loop_.timers().cancel(*this); }
  void on_timer() override {
    if (++count_ % 5 == 0) shard_.core_->tick();
    if (shard_.core_->shard() == 0) shard_.core_->run_due();
    shard_.loop_.timers().set(*this, shard_.loop_.now() + kStep);
  }

 private:
  static constexpr Millis kStep{200};
  Shard& shard_;
  unsigned count_ = 0;
};

Shard::Shard() : loop_(this), buffer_(std::make_unique<char[]>(kHeadroom + kReadChunk)) {}

Shard::~Shard() {
  tick_.reset();
  for (Connection* c : connections_) delete c;
}

char* Shard::plain_buffer() {
  if (!plain_) plain_ = std::make_unique<char[]>(kHeadroom + kReadChunk);
  return plain_.get() + kHeadroom;
}

void Shard::start() { tick_ = std::make_unique<Tick>(*this); }

void Shard::hand_over(int fd, ListenerContext& listener, const PeerAddress& peer) {
  load_.fetch_add(1, std::memory_order_relaxed);
  loop_.post_fn([this, fd, &listener, peer] {
    load_.fetch_sub(1, std::memory_order_relaxed);
    adopt(fd, listener, peer);
  });
}

void Shard::adopt(int fd, ListenerContext& listener, const PeerAddress& peer) {
  auto* c = new Connection(*this, fd, listener, peer);
  if (!c->start()) {
    delete c;
    return;
  }
  if (half_open_bound_ && newcomers_.half_open() > half_open_bound_) newcomers_.oldest()->give_up();
  c->place = connections_.size();
  connections_.push_back(c);
  load_.fetch_add(1, std::memory_order_relaxed);
}

void Shard::bound_newcomers() {
  while (half_open_bound_ && newcomers_.bytes() > half_open_bound_ * kNewcomerBytes)
    newcomers_.oldest_keeping()->give_up();
}

void Shard::refused(const std::string& peer, std::string_view why) {
  core_->counters.connects_refused.add();
  using channel::EventKind;
  if (core_->hears.has(EventKind::refused)) core_->happened({EventKind::refused, {}, {}, peer, why, {}});
}

void Shard::shut_down_some(mqtt::Reason reason, std::size_t n) {
  const std::size_t look = std::min(connections_.size(), 4 * n + kLookMore);
  for (std::size_t i = 0; i < look && n > 0; ++i, ++next_to_end_) {
    if (next_to_end_ >= connections_.size()) next_to_end_ = 0;
    Connection* c = connections_[next_to_end_];
    if (c->ending()) continue;
    c->shut_down(reason);
    --n;
  }
}

bool Shard::on_turn_end() {
  // Connections that have more than one read brought: one more read each, then the others' turn.
  working_.swap(ready_);
  for (Connection* c : working_) {
    c->in_ready_list = false;
    c->read_on();
  }
  working_.clear();
  while (Connection* c = newcomers_.next()) c->read_on();

  bool more = core_->on_turn_end();
  for (std::size_t i = 0; i < dirty_.size(); ++i) {  // grows while it is walked
    Connection* c = dirty_[i];
    c->in_dirty_list = false;
    c->flush();
    if (c->finished() && !c->in_dirty_list) {
      c->in_dirty_list = true;  // buried once
      dead_.push_back(c);
    }
  }
  dirty_.clear();
  if (core_->on_turn_end()) more = true;  // what the flushing let go
  for (Connection* c : dead_) {
    if (c->in_ready_list) std::erase(ready_, c);
    connections_[c->place] = connections_.back();
    connections_[c->place]->place = c->place;
    connections_.pop_back();
    delete c;
    load_.fetch_sub(1, std::memory_order_relaxed);
  }
  dead_.clear();
  return more || newcomers_.has_waiting() || !ready_.empty() || !dirty_.empty();
}

}  // namespace sb::net
