// SPDX-License-Identifier: MIT
#include "store/redis_engine.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/lone_node.h"
#include "store/redis_log_scripts.h"
#include "store/redis_retained.h"
#include "store/redis_sessions.h"

namespace sb::store {
namespace {

redis::Options connection_options(const RedisOptions& o) {
  redis::Options c = redis::Options::of(o.url);
  c.tls = o.tls;
  c.client_name = "signalbox-" + o.node;
  c.scripts = log_scripts::all();
  auto add = [&c](auto scripts) { c.scripts.insert(c.scripts.end(), scripts.begin(), scripts.end()); };
  add(RedisSessions::scripts());
  add(RedisRetained::scripts());
  add(o.scripts);
  c.scripts.push_back(LoneNode::script());
  return c;
}

redis::WriterOptions writer_options(const RedisOptions& o) {
  redis::WriterOptions w;
  w.concern = o.concern;
  w.replicas = o.replicas;
  w.degrade = o.degrade;
  w.redo_bytes = o.redo_bytes;
  w.keep = o.keep;
  w.prefix = o.prefix;
  return w;
}

}  // namespace

RedisEngine::RedisEngine(io::EventLoop& loop, const RedisOptions& options)
    : loop_(loop),
      options_(options),
      keys_(options.prefix, options.cluster),
      writer_(loop, options.url, connection_options(options), writer_options(options), this) {}

RedisEngine::~RedisEngine() { loop_.timers().cancel(*this); }

NodeLife* RedisEngine::live_alone() {
  alone_ = std::make_unique<LoneNode>(writer_, keys_, options_.node);
  return alone_.get();
}

void RedisEngine::start(io::EventLoop&) { loop_.timers().set(*this, loop_.now() + kTick); }

void RedisEngine::on_up(redis::Connection&, unsigned lane) {
  if (lane != redis::kWrites) return;
  for (RedisPart* p : parts_) p->on_connected();
}

bool RedisEngine::on_turn_end() {
  for (RedisPart* p : parts_) p->on_turn_end();
  if (drained_ && (!busy() || loop_.now() >= drain_until_)) std::exchange(drained_, nullptr)();
  return false;
}

bool RedisEngine::busy() const {
  return writer_.busy() || std::any_of(parts_.begin(), parts_.end(), [](const RedisPart* p) { return p->busy(); });
}

void RedisEngine::on_timer() {
  loop_.timers().set(*this, loop_.now() + kTick);
  for (RedisPart* p : parts_) p->on_tick();
  std::string trouble = writer_.trouble();
  if (trouble.empty()) {
    if (std::exchange(trouble_since_, kNever) != kNever && !unavailable().empty())
      log::warn("store available again url={}", options_.url.text());
  } else {
    if (trouble_since_ == kNever) trouble_since_ = loop_.now();
    if (unavailable().empty()) log::error("store unavailable url={} reason=\"{}\"", options_.url.text(), trouble);
  }
  std::lock_guard lock(mutex_);
  unavailable_ = std::move(trouble);
}

std::string RedisEngine::unavailable() const {
  std::lock_guard lock(mutex_);
  return unavailable_;
}

void RedisEngine::drain(std::function<void()> done) {
  drained_ = std::move(done);
  drain_until_ = loop_.now() + kDrain;
}

void RedisEngine::stop() { loop_.timers().cancel(*this); }

}  // namespace sb::store
