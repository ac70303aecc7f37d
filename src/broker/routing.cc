// SPDX-License-Identifier: MIT
// From a publish to its receivers: the hot path of the broker. docs/life-of-a-publish.md follows it.
#include <algorithm>

#include "base/log.h"
#include "broker/core.h"
#include "model/topic.h"
#include "ports/errc.h"

namespace sb::broker {

using channel::EncodedFrame;
using channel::Fanout;
using channel::Routed;
using model::MessageView;
using mqtt::Reason;

Routed Core::route(Channel& c, channel::TopicMemoPtr& memo, MessageView& m, const EncodedFrame& frame,
                   mqtt::PacketId id, std::uint64_t seq) {
  // Asked before the route is looked up: what is learnt in between is in the route then.
  const bool held = m.qos > 0 && stores_.peers && !stores_.peers->fresh();
  auto* r = static_cast<Route*>(memo.get());
  if (!routes_.fresh(*r)) [[unlikely]] {
    RoutePtr current(r);
    routes_.refresh(current);
    memo = current;
    r = current.get();
  }
  m.id = next_message_id_++;
  bool session_first = m.qos == 2 && c.session().durable;
  if (session_first && stores_.peers && stores_.peers->numbers_publishes()) [[unlikely]]
    return route_numbered(c, *r, m, frame, id, seq);
  bool stored = m.qos > 0 && !r->logs.empty();
  const bool leaves = stores_.peers && (!r->peers.empty() || !r->groups.empty());
  PendingPtr p;
  model::MessagePtr kept;
  if (stored || m.retain || session_first || leaves || held) [[unlikely]] {
    if (m.qos > 0) p = new Pending(key(c.slot), seq);
    if (session_first) {
      const session::Session& s = c.session();
      ports::SessionChange change;
      change.inbound_added.push_back({id});
      p->inbound = std::make_unique<Pending::Inbound>(Pending::Inbound{s.client_id, s.epoch, id});
      ++p->waits;
      stores_.sessions->change(s.client_id, s.epoch, std::move(change),
                               [this, p](result<void> done) { settle(p, done, Reason::unspecified_error); });
    }
    if (stored || m.retain || held) kept = model::Message::copy(m);
    if (m.retain) retain(kept, p);
    if (stored) append(*r, kept, p);
    if (leaves) to_peers(r->peers_for(m.qos), m, p);
    if (held) hold(p, kept, *r);
    publishing_ = p;
  }
  bool matched = fan_out(*r, m, c.version() == mqtt::Version::v5, frame) || !r->peers.empty();
  publishing_.reset();
  Reason reason = matched || stored ? Reason::success : Reason::no_matching_subscribers;
  if (!p) return {false, reason};
  if (ok(p->reason)) p->reason = reason;
  if (--p->waits == 0) return {false, finished(*p)};
  return {true, reason};
}

/// QoS 2 of a durable session where packet id and message cannot be stored in one piece: the id gets a number first,
/// and then whatever is stored of the message carries it, so that a repeat of either is harmless. PROTOCOLS: QoS 2.
Routed Core::route_numbered(Channel& c, Route& r, const MessageView& m, const EncodedFrame& frame, mqtt::PacketId id,
                            std::uint64_t seq) {
  session::Session& s = c.session();
  session::Session::Inbound& inbound = *s.inbound(id);
  const bool again = inbound.publish > 0;
  if (!again) {
    inbound.publish = ++s.published;
    inbound.epoch = s.epoch;
  }
  PendingPtr p = new Pending(key(c.slot), seq);
  p->inbound = std::make_unique<Pending::Inbound>(Pending::Inbound{s.client_id, s.epoch, id});
  ports::LogStore::Origin origin{std::make_shared<const std::string>(s.origin(inbound.epoch)), inbound.publish};
  ++p->waits;
  MessageView identified = m;
  identified.identity = model::identity_of(*origin.writer, origin.number);
  auto numbered = [this, p, kept = model::Message::copy(identified), origin](const result<void>& done) {
    if (done) send_numbered(p, kept, origin);
    settle(p, done, Reason::unspecified_error);
  };
  publishing_ = p;
  const bool matched = fan_out(r, m, c.version() == mqtt::Version::v5, frame) || !r.peers.empty() || !r.logs.empty();
  publishing_.reset();
  if (again) {
    numbered({});
  } else {
    ports::SessionChange change;
    change.inbound_added.push_back({id, inbound.publish, inbound.epoch});
    stores_.sessions->change(s.client_id, s.epoch, std::move(change), std::move(numbered));
  }
  const Reason reason = matched ? Reason::success : Reason::no_matching_subscribers;
  if (ok(p->reason)) p->reason = reason;
  if (--p->waits == 0) return {false, finished(*p)};
  return {true, reason};
}

/// To the logs, and to other nodes, of the routes of now.
void Core::send_numbered(const PendingPtr& p, const model::MessagePtr& kept, const ports::LogStore::Origin& origin) {
  const MessageView& m = kept->view();
  const bool fresh = stores_.peers->fresh();
  const RoutePtr r = routes_.get(m.topic);
  if (m.retain) retain(kept, p);
  if (!r->logs.empty()) append(*r, kept, p, origin);
  to_peers(r->peers_for(m.qos), m, p);
  if (!fresh) hold(p, kept, *r, origin);
}

void Core::publish(MessageView m, bool insist) {
  m.id = next_message_id_++;
  RoutePtr r = routes_.get(m.topic);
  if (m.retain || (m.qos > 0 && !r->logs.empty())) keep_own(*r, model::Message::copy(m), insist);
  const bool own = m.topic.starts_with("$SYS/");  // every node has its own
  if (stores_.peers && !own) to_peers(r->peers_for(m.qos), m, nullptr);
  fan_out(*r, m, false, {}, own ? kStays : 0);
}

/// Stores a message of the broker itself.
void Core::keep_own(const Route& route, const model::MessagePtr& m, bool insist, Told told) {
  PendingPtr p;
  if (insist) {
    p = new Pending(ClientKey{}, 0);
    p->own = m;
    p->told = std::move(told);
  }
  const model::MessageView& v = m->view();
  if (v.retain) retain(m, p);
  if (v.qos > 0 && !route.logs.empty()) append(route, m, p);
  settle(p, {}, Reason::success);
}

bool Core::fan_out(Route& route, const MessageView& m, bool v5, const EncodedFrame& frame, std::uint8_t hops) {
  if (route.receivers.empty() && route.groups.empty()) return false;
  Fanout f(m, wall, scratch_);
  if (frame.data) f.came_as(v5, frame);
  deliver_local(route, f);
  if (route.remote_shards) to_slab(route, m, v5, frame);
  bool matched = !route.receivers.empty();
  for (auto& [g, logged] : route.groups) {
    if (logged && m.qos > 0) continue;  // groups.cc hands it out
    if (deliver_group(*g, f, route.topic_hash, nullptr, hops))
      matched = true;
    else
      counters.dropped_no_member.add();
  }
  return matched;
}

void Core::deliver_local(const Route& route, Fanout& f) {
  const MessageView& m = f.message();
  const bool outdated = route.version < rights_version_;
  for (const Receiver& r : route.of_shard(shard_)) {
    Client& cl = clients_[r.slot];
    if (cl.generation != r.generation || (r.logged && m.qos > 0)) continue;
    Channel& c = *cl.channel;
    if (!c.up()) continue;
    if ((r.restricted || outdated) && !may_receive(c.session(), m.topic, route.topic_hash)) [[unlikely]]
      continue;
    if ((r.no_local || r.mixed_local) && model::publisher_of(c.session().client_id) == m.publisher) [[unlikely]] {
      if (r.mixed_local) deliver_overlapping(r, c, f);
      continue;
    }
    if (m.retain && cl.extra && cl.extra->scans) [[unlikely]] {
      StringSet& seen = cl.extra->scans->seen_live;
      if (seen.size() >= Scans::kSeen) seen.clear();
      seen.emplace(m.topic);
    }
    c.deliver(f, std::min(m.qos, r.qos), m.retain && r.retain_as_published, route.ids_of(r));
  }
}

/// A client's own message, of whose matching subscriptions only some have No Local: the others get it.
void Core::deliver_overlapping(const Receiver&, Channel& c, Fanout& f) {
  const MessageView& m = f.message();
  std::uint8_t qos = 0;
  bool retain = false, wanted = false;
  std::vector<std::uint32_t> ids;
  c.session().for_each_matching(m.topic, [&](const session::Subscription& s) {
    if (s.options.no_local) return;
    wanted = true;
    qos = std::max<std::uint8_t>(qos, s.options.qos);
    retain |= s.options.retain_as_published;
    if (s.subscription_id) ids.push_back(s.subscription_id);
  });
  if (wanted) c.deliver(f, std::min(m.qos, qos), m.retain && retain, ids);
}

// ---------------------------------------------------------------- shared groups

/// One member gets it: the one whose turn it is, unless its window is full and another one can take it at once
/// (a full one holds up nobody else). Another node stands for its members. False when there is nobody.
bool Core::deliver_group(SharedGroup& g, Fanout& f, std::uint64_t topic_hash, const ClientKey* not_this,
                         std::uint8_t hops) {
  Subscriber busy;
  bool have_busy = false, delivered = false;
  std::vector<ClientKey> passed_over;  // they were counted as loaded
  SharedStrategy how = node_.shared_strategy.load(std::memory_order_relaxed);
  if (hops & kStays && how != SharedStrategy::least_inflight)
    how = SharedStrategy::round_robin;  // comes to all of them
  for (std::uint32_t i = 0, tries = 0; i <= tries && !delivered; ++i, ++topic_hash) {
    Subscriber s;
    {
      Rcu::Guard guard(node_.index.rcu(), shard_);
      if (i == 0) tries = g.members.slots();
      if (!g.pick(how, topic_hash, not_this, s)) break;
    }
    if (s.client.is_peer()) {
      passed_over.push_back(s.client);
      if (hops & kStays) continue;
      const auto peer = static_cast<ports::PeerNumber>(s.client.slot);
      to_peers({&peer, 1}, f.message(), publishing_, fmt::format("$share/{}/{}", g.name, g.filter));
      delivered = true;
    } else if (s.client.shard != shard_) {
      to_slab(g, s, f.message(), hops);
      delivered = true;
    } else if (takes_at_once(s, std::min(f.message().qos, s.qos))) {
      delivered = deliver_member(g, s, f);
    } else if (!have_busy) {
      busy = s;
      have_busy = true;
    } else {
      passed_over.push_back(s.client);
    }
  }
  if (have_busy && delivered) passed_over.push_back(busy.client);
  if (have_busy && !delivered) delivered = deliver_member(g, busy, f);
  for (auto& k : passed_over) unload(g, k);
  return delivered;
}

bool Core::takes_at_once(const Subscriber& s, std::uint8_t qos) {
  Channel* c = find(s.client);
  return c && c->up() && (qos == 0 || c->unhindered());
}

/// The member does not have a message under way for which it was counted as loaded (least in flight).
void Core::unload(SharedGroup& g, ClientKey member) {
  if (node_.shared_strategy.load(std::memory_order_relaxed) != SharedStrategy::least_inflight) return;
  Rcu::Guard guard(node_.index.rcu(), shard_);
  g.done(member);
}

bool Core::deliver_member(SharedGroup& g, const Subscriber& s, Fanout& f) {
  Channel* c = find(s.client);
  bool taken = false;
  const MessageView& m = f.message();
  std::uint8_t qos = std::min(m.qos, s.qos);
  if (c && c->up() && may_receive(c->session(), m.topic)) {
    std::span<const std::uint32_t> ids;
    if (s.subscription_id) ids = {&s.subscription_id, 1};
    auto outcome = c->deliver(f, qos, m.retain && s.retain_as_published, ids, qos > 0 ? g.key : 0);
    taken = outcome != channel::Delivered::dropped;
  }
  if (!taken || qos == 0) unload(g, s.client);
  return taken;
}

/// A message that another shard sent here for a member that has no room: a member of this shard gets it that takes it
/// at once, else one of another shard, once. False when there is none.
bool Core::pass_on(SharedGroup& g, Fanout& f, std::uint8_t hops) {
  Subscriber elsewhere;
  for (std::uint32_t i = 0, n = UINT32_MAX; i < n; ++i) {
    Subscriber s;
    {
      Rcu::Guard guard(node_.index.rcu(), shard_);
      if (i == 0) n = g.members.slots();
      ReceiverList::Entry* e = g.members.at(i);
      std::uint64_t member = e ? e->key.load(std::memory_order_relaxed) : 0;
      if (!member) continue;
      s = ReceiverList::subscriber(*e, member);
      if (s.client.is_peer()) continue;
      bool here = s.client.shard == shard_;
      if (!here) elsewhere = s;
      if (!here || !takes_at_once(s, std::min(f.message().qos, s.qos))) continue;
      e->load.fetch_add(1, std::memory_order_relaxed);
    }
    if (deliver_member(g, s, f)) return true;
  }
  if ((hops & ~kStays) > 0 || elsewhere.client.generation == 0) return false;
  to_slab(g, elsewhere, f.message(), static_cast<std::uint8_t>(hops + 1));
  return true;
}

// ---------------------------------------------------------------- other shards

Slab& Core::slab() {
  if (filling_) return *filling_;
  for (auto& s : slabs_)
    if (!s->in_use()) {
      filling_ = s.get();
      filling_->reset();
      return *filling_;
    }
  slabs_.push_back(std::make_unique<Slab>(node_.cores.size()));
  for (std::size_t i = 0; i < node_.cores.size(); ++i) slabs_.back()->arrival(i).to = node_.cores[i];
  filling_ = slabs_.back().get();
  return *filling_;
}

Slab::Item Slab::keep(const MessageView& m, bool v5, const EncodedFrame& frame) {
  Item item;
  const char* from = nullptr;  // that `bytes` is a copy of
  const bool inside = frame.data && m.topic.data() >= frame.data && m.topic.data() < frame.data + frame.size;
  if (inside) {  // topic, properties and payload lie in the frame: one copy
    from = frame.data;
    item.bytes = keep({frame.data, frame.size}).data();
    item.frame_size = frame.size;
    item.id_at = frame.id_at;
    item.v5 = v5;
  } else {
    item.bytes = room(m.topic.size() + m.properties.size() + m.payload.size());
  }
  auto place = [&](std::string_view part, std::uint32_t behind) {
    if (inside) return part.empty() ? 0 : static_cast<std::uint32_t>(part.data() - from);
    if (!part.empty()) std::memcpy(const_cast<char*>(item.bytes) + behind, part.data(), part.size());
    return behind;
  };
  item.topic_size = static_cast<std::uint16_t>(m.topic.size());
  item.properties_size = static_cast<std::uint32_t>(m.properties.size());
  item.payload_size = static_cast<std::uint32_t>(m.payload.size());
  item.topic_at = place(m.topic, 0);
  item.properties_at = place(m.properties, item.topic_size);
  item.payload_at = place(m.payload, item.topic_size + item.properties_size);
  item.qos = m.qos & 3u;
  item.retain = m.retain;
  item.expires_at = m.expires_at;
  item.publisher = m.publisher;
  return item;
}

void Core::to_slab(const Route& route, const MessageView& m, bool v5, const EncodedFrame& frame) {
  Slab& s = slab();
  Slab::Item item = s.keep(m, v5, frame);
  item.route = &route;
  s.add(item);
  filling_shards_ |= route.remote_shards;
  if (s.last_route() != &route) s.keep(boost::intrusive_ptr<const Route>(&route));
}

void Core::to_slab(SharedGroup& g, const Subscriber& member, const MessageView& m, std::uint8_t hops) {
  Slab& s = slab();
  s.add({s.keep(m, false, {}), &g, member, hops});
  filling_shards_ |= 1ull << member.client.shard;
  s.keep(SharedGroupPtr(&g));
}

void Core::send_slab() {
  std::size_t out = 0;
  if (filling_) {
    Slab* s = filling_;
    filling_ = nullptr;
    std::uint64_t shards = std::exchange(filling_shards_, 0);
    s->set_readers(static_cast<std::uint32_t>(__builtin_popcountll(shards)));
    for (; shards; shards &= shards - 1) {
      auto to = static_cast<std::size_t>(__builtin_ctzll(shards));
      node_.cores[to]->loop().post(&s->arrival(to));
    }
  } else if (!congested_) {
    return;
  }
  std::size_t bytes = 0;
  for (auto& s : slabs_)
    if (s->in_use()) {
      ++out;
      bytes += s->bytes();
    }
  congested_ = out >= kSlabsOut || bytes >= kSlabBytesOut;
  // A burst is over: two slabs are enough to go on with.
  while (out == 0 && slabs_.size() > 2) slabs_.pop_back();
}

void Slab::Arrival::run() { to->receive(*slab); }

void Core::receive(Slab& s) {
  const std::uint64_t mine = 1ull << shard_;
  for (const Slab::Item& item : s.items()) {
    if (!(item.route->remote_shards & mine)) continue;
    const MessageView m = item.message();
    Fanout f(m, wall, scratch_);
    if (item.frame_size) f.came_as(item.v5, item.frame());
    deliver_local(*item.route, f);
  }
  for (const Slab::ForMember& item : s.for_members())
    if (item.member.client.shard == shard_) receive_for_member(item);
  s.done();
}

void Core::receive_for_member(const Slab::ForMember& item) {
  const MessageView m = item.item.message();
  Fanout f(m, wall, scratch_);
  // The member may have left meanwhile, or have no room: then another one, or it waits for this one.
  const bool at_once = takes_at_once(item.member, std::min(m.qos, item.member.qos));
  if (at_once && deliver_member(*item.group, item.member, f)) return;
  if (pass_on(*item.group, f, item.hops)) {
    if (!at_once) unload(*item.group, item.member.client);
    return;
  }
  if (!at_once && deliver_member(*item.group, item.member, f)) return;
  // Nobody has room. It may go round once more, not for ever.
  const auto hops = static_cast<std::uint8_t>(item.hops + 1);
  if ((item.hops & ~kStays) < kHops && deliver_group(*item.group, f, hash_bytes(m.topic), &item.member.client, hops))
    return;
  counters.dropped_no_member.add();
}

// ---------------------------------------------------------------- stores

/// One store has answered; `refusal` is what its error means to the client.
void Core::settle(const PendingPtr& p, const result<void>& done, Reason refusal) {
  if (!p) return;
  if (!done) {
    p->reason = refusal;
    p->unknown |= done.error() == ports::errc::unavailable;
  }
  if (--p->waits > 0) return;
  if (p->own) {
    if (p->unknown) return keep_late({p->own, std::move(p->told)});
    if (p->told) p->told();
    return;
  }
  Channel* c = find(p->client);
  if (p->inbound && p->unknown) {
    // Both or none of packet id and message are stored. The client shall ask again, not take it for refused.
    if (c) c->shut_down(p->reason);
    return;
  }
  Reason reason = finished(*p);
  if (c) c->routed(p->seq, reason);
}

/// All stores have answered. A packet id whose message was refused must not make the next one with it a repeat.
Reason Core::finished(Pending& p) {
  if (p.inbound && !ok(p.reason)) {
    ports::SessionChange change;
    change.inbound_removed.push_back(p.inbound->id);
    stores_.sessions->change(p.inbound->client_id, p.inbound->epoch, std::move(change), [](result<void>) {});
  }
  return p.reason;
}

/// A store in memory is part of what has to stay bounded; one on the disk is not.
bool Core::no_memory_to_store() {
  if (!memory_full || !node_.stores_in_memory) return false;
  counters.refused_memory.add();
  return true;
}

void Core::retain(const model::MessagePtr& m, const PendingPtr& p) {
  Channel* publisher = p ? find(p->client) : nullptr;
  const model::MessageView& v = m->view();
  if (!v.payload.empty() && !v.topic.starts_with("$SYS/") && no_memory_to_store()) {
    counters.retained_refused.add();
    if (publisher && publisher->version() == mqtt::Version::v5) p->reason = Reason::quota_exceeded;
    return;
  }
  if (p) ++p->waits;
  stores_.retained->set(m, [this, p](result<void> done) {
    if (!done) counters.retained_refused.add();
    // 3.x has no way to say that only retaining was refused; closing would make the client send it again for ever.
    Channel* c = p ? find(p->client) : nullptr;
    if (!done && done.error() == ports::errc::quota && c && c->version() != mqtt::Version::v5) done = result<void>();
    settle(p, done, Reason::quota_exceeded);
  });
}

void Core::append(const Route& route, const model::MessagePtr& m, const PendingPtr& p,
                  const ports::LogStore::Origin& origin) {
  if (no_memory_to_store()) {
    if (p) p->reason = Reason::quota_exceeded;
    return;
  }
  for (std::uint64_t log : route.logs) appends_.push_back({log, m, origin});
  if (p) ++p->waits;
  append_waiters_.push_back(p);
}

/// One write per turn; the store gathers what comes while it writes.
void Core::flush_appends() {
  if (append_waiters_.empty()) return;
  std::vector<PendingPtr> waiters;
  waiters.swap(append_waiters_);
  std::vector<ports::LogStore::Append> batch;
  batch.swap(appends_);
  stores_.logs->append(std::move(batch), [this, waiters = std::move(waiters)](result<void> done) {
    for (auto& p : waiters) settle(p, done, Reason::quota_exceeded);
  });
}

}  // namespace sb::broker
