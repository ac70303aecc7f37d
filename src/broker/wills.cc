// SPDX-License-Identifier: MIT
// Wills: those of the clients here, and those that a store has given to be published. A node of a cluster that may have
// been buried tells its own clients only: the others publish a will once they have buried it. docs/adr/0016.
#include <thread>

#include "broker/core.h"

namespace sb::broker {

using channel::Fanout;
using ports::SessionStore;

/// `told`: it is dealt with, so that nobody else has to publish it.
void Core::publish_will(const model::WillRecord& w, const ports::RightsPtr& rights, const ports::Subject& who,
                        bool insist, Told told) {
  model::MessageView m = w.message->view();
  if (!may_publish(rights, who, m.topic, m.retain)) {  // it has lost the right
    counters.publishes_denied.add();
    if (told) told();
    return;
  }
  if (w.expires) m.expires_at = wall + Seconds(w.expiry_interval);
  m.publisher = model::publisher_of(who.client_id);
  if (stores_.peers) {
    if (!told) told = [] {};
    return publish_will_to_all(m, std::move(told));
  }
  publish(m, insist);
  if (told) told();
}

void Core::publish_will_to_all(const model::MessageView& v, Told told) {
  model::MessageView m = v;
  m.id = next_message_id_++;
  const bool fresh = stores_.peers->fresh();
  RoutePtr r = routes_.get(m.topic);
  Fanout f(m, wall, scratch_);
  deliver_local(*r, f);
  if (r->remote_shards) to_slab(*r, m, false, {});
  if (!fresh) return keep_late({model::Message::copy(m), std::move(told), true});
  to_others(*r, m);
  keep_own(*r, model::Message::copy(m), true, std::move(told));
}

/// To the other nodes, and to one member of each group, here or there.
void Core::to_others(Route& r, const model::MessageView& m) {
  to_peers(r.peers_for(m.qos), m, nullptr);
  Fanout f(m, wall, scratch_);
  for (auto& [g, logged] : r.groups)
    if (!(logged && m.qos > 0) && !deliver_group(*g, f, r.topic_hash, nullptr)) counters.dropped_no_member.add();
}

void Core::keep_wills() {
  for (auto& cl : clients_) {
    Channel* c = cl.channel;
    if (!c || !c->up() || c->session().durable || !c->will()) continue;
    const session::Session& s = c->session();
    stores_.sessions->keep_will(s.client_id, s.username, *c->will(), s.epoch);
  }
}

void Core::fire(const std::vector<SessionStore::Due>& left) {
  for (auto& d : left) fire(d.will, d.client_id);
}

/// What the store gave to be published. Its client may have left long ago, so what it may do now is asked.
void Core::fire(const SessionStore::Will& w, std::string_view client_id) {
  if (!w.record.message) return;
  auto go_on = [this, w, id = std::string(client_id)](const ports::RightsPtr& rights) {
    publish_will(w.record, rights, {id, w.username}, false, [this, will = w.id] { stores_.sessions->fired(will); });
  };
  if (!node_.authorizer) return go_on(nullptr);
  node_.authorizer->ask({client_id, w.username},
                        [this, go_on, asked_on = std::this_thread::get_id()](const ports::RightsPtr& rights) {
                          if (std::this_thread::get_id() == asked_on) return go_on(rights);
                          loop_.post_fn([go_on, rights] { go_on(rights); });
                        });
}

// ---------------------------------------------------------------- what a store that is away has not taken

void Core::keep_late(Late l) {
  if (late_.size() < kLate) return late_.push_back(std::move(l));
  counters.dropped_store_refused.add();
  if (l.told) l.told();
}

/// The store may be back.
void Core::keep_late() {
  const bool fresh = !stores_.peers || stores_.peers->fresh();
  for (auto& l : std::exchange(late_, {})) {
    const model::MessageView& m = l.message->view();
    if (m.expired(wall)) {
      if (l.told) l.told();
    } else if (l.told && !fresh) {
      late_.push_back(std::move(l));
    } else {
      RoutePtr r = routes_.get(m.topic);
      if (l.for_others) to_others(*r, m);
      keep_own(*r, l.message, true, std::move(l.told));
    }
  }
}

// ---------------------------------------------------------------- a node that was buried

void Core::buried(std::function<void()> done) {
  ++burials_;
  std::erase_if(late_, [](const Late& l) { return l.told != nullptr; });
  for (std::uint32_t slot = 0; slot < clients_.size(); ++slot) {
    Channel* c = clients_[slot].channel;
    if (!c || (c->state() != Channel::State::up && c->state() != Channel::State::opening)) continue;
    if (c->has_session() && c->session().durable) extra(slot).stale = true;
    c->take_will();
    c->shut_down(mqtt::Reason::server_busy, channel::Ending::taken_over);
  }
  groups_lost();
  loop_.post_fn([done = std::move(done)] { done(); });  // in the next turn: what this one asks goes out at its end
}

}  // namespace sb::broker
