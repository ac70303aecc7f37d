// SPDX-License-Identifier: MIT
#include "broker/core.h"

#include <random>
#include <thread>

#include "base/log.h"

namespace sb::broker {

using channel::Ending;
using mqtt::Reason;

Core::Core(Node& node, std::size_t shard, io::EventLoop& loop, Stores stores)
    : node_(node),
      shard_(shard),
      loop_(loop),
      stores_(stores),
      admission_(node.limits.connect_rate / static_cast<double>(std::max<std::size_t>(node.cores.size(), 1))),
      routes_(node.index, shard, node.cores.size(), node.limits.route_cache),
      feeds_(*stores.logs, *this, node.limits.tail_cache_bytes,
             node.limits.tail_caches_bytes / std::max<std::size_t>(node.cores.size(), 1)),
      next_message_id_(static_cast<std::uint64_t>(shard) << 56 | 1) {
  group_mail_.resize(node.cores.size());
  hears = node.events.heard();
  on_turn_begin();
}

Core::~Core() {
  loop_.timers().cancel(admission_wake_);
  loop_.timers().cancel(held_wake_);
  loop_.timers().cancel(group_wake_);
}

std::uint32_t Core::take_slot(Channel& c) {
  std::uint32_t slot = free_;
  if (slot == kNoSlot) {
    slot = static_cast<std::uint32_t>(clients_.size());
    clients_.emplace_back();
  } else {
    free_ = clients_[slot].next_free;
  }
  clients_[slot].channel = &c;
  clients_[slot].since = 0;
  c.slot = slot;
  return slot;
}

void Core::free_slot(std::uint32_t slot) {
  Client& cl = clients_[slot];
  std::uint32_t generation = (cl.generation + 1) & 0xFFFFFF;
  cl = Client{};
  cl.generation = (generation == 0 ? 1 : generation) & 0xFFFFFF;
  cl.next_free = free_;
  free_ = slot;
}

bool Core::on_turn_end() {
  const bool admitting = admission_.waiting() > 0 && run_admission();
  if (!events_.empty()) publish_events();
  feeds_.deliver();
  if (!held_.empty()) release_held();
  if (!waiting_groups_.empty()) wake_groups();
  flush_group_mail();
  flush_appends();
  flush_interests();
  flush_peers();
  send_slab();
  return congested_ || admitting;
}

void Core::run_due() {
  if (due_running_ || !stores_.sessions->any()) return;
  due_running_ = true;
  stores_.sessions->take_due(wall, [this](result<std::vector<ports::SessionStore::Due>> due) {
    due_running_ = false;
    if (!due) return;
    for (auto& d : *due) {
      fire(d.will, d.client_id);
      if (d.ended) log::info("session expired client={}", log::name(d.client_id));
    }
  });
}

// ---------------------------------------------------------------- coming in

void Core::authenticate(Channel& c, const ports::Credentials& who) {
  // The answer may come later, when the channel is gone: its slot tells.
  if (c.slot == kNoSlot) take_slot(c);
  ClientKey k = key(c.slot);
  auto take = [this, k](const ports::AuthDecision& d) {
    if (Channel* channel = find(k)) channel->authenticated(d);
  };
  node_.authenticator->authenticate(who, [this, take, asked_on = std::this_thread::get_id()](ports::AuthDecision d) {
    if (std::this_thread::get_id() == asked_on) return take(d);
    loop_.post_fn([take, d = std::move(d)] { take(d); });
  });
}

std::unique_ptr<ports::AuthExchange> Core::start_exchange(std::string_view method, const ports::Credentials& who) {
  return node_.enhanced ? node_.enhanced->start(method, who) : nullptr;
}

std::string Core::new_client_id() {
  thread_local std::mt19937_64 rng{std::random_device{}()};
  return fmt::format("auto-{:02x}{:08x}-{:016x}", shard_, next_client_number_++, rng());
}

}  // namespace sb::broker
