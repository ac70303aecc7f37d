// SPDX-License-Identifier: MIT
// The other nodes: what they are sent, what comes from them, and what they are told of the subscriptions here.
#include "broker/core.h"
#include "model/topic.h"
#include "ports/errc.h"

namespace sb::broker {

using model::MessageView;
using mqtt::Reason;
using ports::Interest;

namespace {
constexpr std::uint64_t kMoment = 100;  // ms; as long as a turn between nodes (store::RedisSessions::set_turn)
}

void Node::peer_wants(ports::PeerNumber peer, std::string_view filter, Interest what) {
  Subscriber s;
  s.client = ClientKey::of_peer(peer);
  s.logged = what == Interest::logged || what == Interest::owner;
  if (auto shared = model::split_shared(filter)) {
    if (what == Interest::none)
      index.remove_shared(shared->group, shared->filter, s.client);
    else
      index.add_shared(shared->group, shared->filter, s);
    if (cores.empty()) return;
    Core* owner = cores[group_owner(filter)];
    owner->loop().post_fn([owner, f = std::string(filter)] { owner->group_peers_changed(f); });
  } else if (what == Interest::none) {
    index.remove(filter, s.client);
  } else {
    index.add(filter, s);
  }
}

void Node::kick(std::string_view client_id, std::uint64_t epoch, std::function<void()> released) {
  auto k = directory.find(Directory::key(client_id));
  if (!k) return released();
  Core* core = cores[k->shard];
  core->loop().post_fn([core, k = *k, id = std::string(client_id), epoch, released = std::move(released)]() mutable {
    core->kick_from_peer(k, id, epoch, std::move(released));
  });
}

void Node::let_go(std::string_view client_id, std::uint64_t before, std::function<void(bool)> released) {
  auto k = directory.find(Directory::key(client_id));
  if (!k) return released(true);
  Core* core = cores[k->shard];
  core->loop().post_fn([core, k = *k, id = std::string(client_id), before, released = std::move(released)]() mutable {
    core->let_go(k, id, before, std::move(released));
  });
}

/// A client that is about to come in has nothing here yet; one that came in later than who asks stays. Who has just
/// come in may stay for a moment, so that those who fight for one client id do not throw each other out before anyone
/// is in.
void Core::let_go(ClientKey k, const std::string& client_id, std::uint64_t before, std::function<void(bool)> released) {
  Channel* c = find(k);
  if (c && (!c->has_session() || !c->session().durable || c->session().epoch > before)) return released(true);
  const auto ms = static_cast<std::uint64_t>(wall.time_since_epoch().count());
  if (c && ms >= c->session().epoch && ms - c->session().epoch < kMoment) return released(false);
  kick(k, client_id, [released = std::move(released)] { released(true); });
}

void Node::connected_elsewhere(std::string_view client_id, ports::ConnectTime since, bool wins_ties) {
  auto k = directory.find(Directory::key(client_id));
  if (!k) return;
  Core* core = cores[k->shard];
  core->loop().post_fn(
      [core, k = *k, id = std::string(client_id), before = since + ports::ConnectTime::duration(wins_ties ? 1 : 0)] {
        core->connected_elsewhere(k, id, before);
      });
}

void Core::connected_elsewhere(ClientKey k, const std::string& client_id, ports::ConnectTime before) {
  Channel* c = find(k);
  if (!c || !c->has_session()) return;  // it says so itself when it is in, and has come later then
  const session::Session& s = c->session();
  if (s.durable || s.client_id != client_id || s.epoch >= volatile_epoch(before)) return;
  kick(k, client_id, [] {});
}

/// The other node owns the session whatever happens here: what this one would still write of it is refused.
void Core::kick_from_peer(ClientKey k, const std::string& client_id, std::uint64_t epoch,
                          std::function<void()> released) {
  Channel* c = find(k);
  if (!c) return kick(k, client_id, std::move(released));  // on its way to the store, or gone
  Extra& e = extra(k.slot);
  if (!c->has_session()) {
    // Whether it claims before or after the other node the answer to its claim will say; it has been sent nothing yet.
    if (e.opening == client_id) e.kicked = std::max(e.kicked, epoch);
    tidy(k.slot);
    return released();
  }
  const session::Session& s = c->session();
  if (!s.durable || s.client_id != client_id || s.epoch >= epoch) {
    tidy(k.slot);
    return released();
  }
  e.stale = true;
  kick(k, client_id, std::move(released));
}

// ---------------------------------------------------------------- messages

/// `p` waits until they will have it.
void Core::to_peers(std::span<const ports::PeerNumber> peers, const MessageView& m, const PendingPtr& p,
                    std::string_view group, std::uint8_t hops) {
  if (peers.empty()) return;
  if (!for_peers_) for_peers_ = std::make_unique<ports::PeerBatch>();
  for_peers_->add(m, peers.data(), peers.size(), group, hops);
  if (!p) return;
  ++p->waits;
  peer_waiters_.push_back(p);
}

/// One batch per turn; the bus gathers what comes while it writes.
void Core::flush_peers() {
  if (!for_peers_) return;
  ports::Peers::Done<void> done;
  if (!peer_waiters_.empty())
    done = [this, waiters = std::exchange(peer_waiters_, {})](const result<void>& sent) {
      for (auto& p : waiters) settle(p, sent, Reason::unspecified_error);
    };
  stores_.peers->send(std::exchange(for_peers_, nullptr), std::move(done));
}

void Core::receive(const ports::PeerBatch& batch) {
  for (auto& item : batch.items()) {
    MessageView m = item.message;
    m.id = next_message_id_++;
    if (m.expired(wall))
      counters.dropped_expired.add();
    else if (!item.group.empty())
      receive_for_group(item, m);
    else if (RoutePtr r = routes_.get(m.topic); !r->receivers.empty()) {
      channel::Fanout f(m, wall, scratch_);
      deliver_local(*r, f);
      if (r->remote_shards) to_slab(*r, m, false, {});
    }
  }
}

/// One of the members here gets it. When they have all left, it goes on to another node, once.
void Core::receive_for_group(const ports::PeerBatch::Item& item, const MessageView& m) {
  auto shared = model::split_shared(item.group);
  if (!shared) return;
  RoutePtr r = routes_.get(m.topic);
  for (auto& [g, logged] : r->groups) {
    if (g->name != shared->group || g->filter != shared->filter) continue;
    channel::Fanout f(m, wall, scratch_);
    if (deliver_group(*g, f, r->topic_hash, nullptr, kStays)) return;
    if (item.hops == 0) {
      Rcu::Guard guard(node_.index.rcu(), shard_);
      for (std::uint32_t i = 0, n = g->members.slots(); i < n; ++i) {
        ReceiverList::Entry* e = g->members.at(i);
        const std::uint64_t member = e ? e->key.load(std::memory_order_relaxed) : 0;
        const ClientKey k = ClientKey::unpack(member);
        if (!member || !k.is_peer()) continue;
        const auto peer = static_cast<ports::PeerNumber>(k.slot);
        return to_peers({&peer, 1}, m, nullptr, item.group, 1);
      }
    }
    break;
  }
  counters.dropped_no_member.add();
}

// ---------------------------------------------------------------- interests

void Core::want(session::Subscription& s, Interest what) {
  const auto before = static_cast<Interest>(s.interest);
  if (!stores_.peers || before == what) return;
  s.interest = static_cast<std::uint8_t>(what);
  interests_.push_back({s.filter, before, what});
}

/// What changed in a turn goes out in one piece.
void Core::flush_interests() {
  if (interests_.empty() && interest_waiters_.empty()) return;
  ports::Peers::Done<void> done;
  if (!interest_waiters_.empty())
    done = [this, waiters = std::exchange(interest_waiters_, {})](const result<void>&) {
      for (auto& p : waiters) subscribe_settled(p);
    };
  stores_.peers->change(std::exchange(interests_, {}), std::move(done));
}

}  // namespace sb::broker
