// SPDX-License-Identifier: MIT
// Sessions come: claim, takeover, resume.
#include <algorithm>

#include "base/log.h"
#include "broker/core.h"
#include "model/topic.h"
#include "ports/errc.h"

namespace sb::broker {

using channel::Ending;
using channel::OpenRequest;
using model::OutboundState;
using mqtt::PacketId;
using mqtt::Reason;
using ports::SessionStore;
using session::InFlight;
using session::Session;

void Core::open(Channel& c, OpenRequest r) {
  if (c.slot == kNoSlot) take_slot(c);
  if (node_.shutting_down.load(std::memory_order_relaxed))
    return c.opened(nullptr, false, Reason::server_shutting_down);
  if (node_.bans.user(r.username, wall)) return c.opened(nullptr, false, Reason::banned);
  if (const auto& will = r.will.message) {
    const model::MessageView& m = will->view();
    const ports::Subject who{r.client_id, r.username};
    if (!may_publish(r.rights ? r.rights : rights_of(who), who, m.topic, m.retain))
      return c.opened(nullptr, false, Reason::not_authorized);
  }
  ClientKey me = key(c.slot);
  Client& cl = clients_[c.slot];
  cl.directory_key = Directory::key(r.client_id);
  extra(c.slot).opening = r.client_id;
  auto before = node_.directory.claim(cl.directory_key, me);
  if (!before || *before == me) return claim_session(me, std::move(r));
  // Somebody else has this client id: it ends, and what it has goes to the store, before the session is read from
  // there.
  extra(c.slot).waits = true;
  std::string client_id = r.client_id;
  auto go_on = [this, me, request = std::move(r)]() mutable { claim_session(me, std::move(request)); };
  std::size_t mine = shard_;
  on_shard(before->shard, [k = *before, client_id, mine, go_on = std::move(go_on)](Core& owner) mutable {
    owner.kick(k, client_id, [&owner, mine, go_on = std::move(go_on)]() mutable {
      owner.on_shard(mine, [go_on = std::move(go_on)](Core&) mutable { go_on(); });
    });
  });
}

void Core::kick(ClientKey k, const std::string& client_id, std::function<void()> released) {
  Channel* c = find(k);
  if (!c) {
    auto it = leaving_.find(k.packed());
    if (it == leaving_.end()) return released();
    it->second.push_back(std::move(released));
    return;
  }
  Extra& e = extra(k.slot);
  bool same = c->has_session() ? c->session().client_id == client_id : e.opening == client_id;
  if (!same) return released();  // two client ids with one hash
  counters.takeovers.add();
  tell(*c, channel::EventKind::taken_over, "session taken over", {}, false);
  e.released.push_back(std::move(released));
  // Who claims its session already comes in first: otherwise nobody would, when one comes faster than claims are done.
  e.yields = !c->has_session() && !e.waits;
  if (!e.yields) c->shut_down(Reason::session_taken_over, Ending::taken_over);
}

void Core::run_released(std::uint64_t packed) {
  auto it = leaving_.find(packed);
  if (it == leaving_.end()) return;
  auto waiting = std::move(it->second);
  leaving_.erase(it);
  for (auto& f : waiting) f();
}

void Core::claim_session(ClientKey k, OpenRequest r) {
  Channel* c = find(k);
  if (!c) {
    node_.directory.release(Directory::key(r.client_id), k);
    return run_released(k.packed());
  }
  extra(k.slot).waits = false;
  bool durable = r.expiry > 0;
  if (!durable && !stores_.sessions->any()) return open_volatile(*c, std::move(r));
  SessionStore::Claim claim;
  claim.client_id = r.client_id;
  claim.username = r.username;
  claim.clean = r.clean_start;
  claim.durable = durable;
  claim.expiry = r.expiry;
  claim.will = r.will;
  claim.now = wall;
  auto given_up = std::make_shared<std::atomic<bool>>(false);
  extra(k.slot).given_up = given_up;
  claim.given_up = std::move(given_up);
  stores_.sessions->claim(std::move(claim), [this, k, r = std::move(r)](result<SessionStore::Claimed> claimed) mutable {
    if (claimed) fire(claimed->will, r.client_id);
    if (!claimed || claimed->previous_node.empty() || !stores_.peers)
      return session_claimed(k, std::move(r), std::move(claimed));
    // The session is this node's, whatever the other one does; it is asked to let go so that less is sent twice.
    const std::string node = claimed->previous_node, id = r.client_id;
    const std::uint64_t epoch = claimed->record.epoch;
    stores_.peers->kick(node, id, epoch, [this, k, r = std::move(r), claimed = std::move(claimed)]() mutable {
      session_claimed(k, std::move(r), std::move(claimed));
    });
  });
}

void Core::session_claimed(ClientKey k, OpenRequest r, result<SessionStore::Claimed> claimed) {
  Channel* channel = find(k);
  if (!channel) {
    if (claimed && (claimed->present || r.expiry > 0)) leave_unopened(r.client_id, claimed->record.epoch, r.expiry);
    return node_.directory.release(Directory::key(r.client_id), k);
  }
  if (!claimed) {
    const bool full = claimed.error() == ports::errc::quota;
    if (full) counters.refused_sessions.add();
    return channel->opened(nullptr, false, full ? Reason::quota_exceeded : Reason::server_unavailable);
  }
  const std::uint64_t epoch = claimed->record.epoch;  // 0: there is no session that anybody could have taken
  if (Extra& e = extra(k.slot); epoch > 0 && e.kicked > epoch) {
    counters.takeovers.add();
    e.stale = true;
    return channel->shut_down(Reason::session_taken_over, Ending::taken_over);
  }
  if (r.expiry == 0 && !claimed->present) return open_volatile(*channel, std::move(r));
  open_durable(*channel, r, std::move(*claimed));
}

void Core::open_volatile(Channel& c, OpenRequest r) {
  extra(c.slot).opening.clear();
  tidy(c.slot);
  auto s = std::make_unique<Session>();
  s->client_id = std::move(r.client_id);
  s->username = std::move(r.username);
  const auto since = node_.connect_clock();
  s->epoch = volatile_epoch(since);
  give_rights(*s, r, key(c.slot));
  if (stores_.peers) {
    stores_.peers->connected(s->client_id, since);
    if (r.will.message) stores_.sessions->keep_will(s->client_id, s->username, std::move(r.will), s->epoch);
  }
  c.opened(std::move(s), false, Reason::success);
}

/// The client left while its session was on its way from the store: nobody is connected to it, and the will of a
/// CONNECT that was never answered does not count.
void Core::leave_unopened(const std::string& client_id, std::uint64_t epoch, std::uint32_t expiry) {
  if (expiry == 0) return stores_.sessions->end(client_id, epoch, [](auto) {});
  ports::SessionChange change;
  change.left = {expiry == 0xFFFFFFFF ? kNoExpiry : wall + Seconds(expiry), kNoExpiry};
  change.will = model::WillRecord{};
  stores_.sessions->change(client_id, epoch, std::move(change), [](auto) {});
}

void Core::open_durable(Channel& c, const OpenRequest& r, SessionStore::Claimed claimed) {
  model::SessionRecord& record = claimed.record;
  ClientKey k = key(c.slot);
  auto s = std::make_unique<Session>();
  s->client_id = r.client_id;
  s->username = r.username;
  give_rights(*s, r, k);
  s->durable = true;
  s->expiry = r.expiry;
  s->epoch = record.epoch;
  s->incarnation = record.incarnation;
  s->set_next_order(record.next_order);
  for (auto& sub : record.subscriptions) {
    session::Subscription& to = s->add(sub.filter);
    to.options = sub.options;
    to.subscription_id = sub.subscription_id;
    to.order = sub.order;
    if (sub.logged) {
      s->give_cursor(to, 0, sub.next).pass(sub.passed);
      s->draining += sub.draining;
      to.cursor->draining = sub.draining;
      to.cursor->drain_to = sub.drain_to;
      to.cursor->covers = sub.covers;
      s->covering |= !sub.covers.empty();
    }
    to.holds_group = sub.options.qos > 0 && model::is_shared(sub.filter);
    if (sub.draining)
      restrict(to, *s);
    else
      index(to, *s, k);
  }
  s->set_next_order(std::max(record.next_order, s->next_order()));
  for (auto& out : record.outbound) {
    InFlight e;
    e.state = out.state;
    e.set_saved();
    e.position = out.position;
    e.message = out.message;
    s->window.restore(out.sequence, std::move(e));
  }
  const bool shared = stores_.peers && stores_.peers->numbers_publishes();
  for (auto& in : record.inbound) s->inbound_add(in.packet_id, {in.publish, in.epoch, shared && in.publish > 0});
  s->inbound_carried = static_cast<std::uint32_t>(record.inbound.size());

  // The logs that it reads are known by name; this process has numbers for them.
  struct Joining {
    std::uint32_t waits = 1;
    std::unique_ptr<Session> session;
    std::vector<model::OutboundRecord> outbound;
    bool present;
    bool refused = false;  ///< a log could not be joined: what is under way from it could not be read
  };
  auto joining = std::make_shared<Joining>();
  bool present = claimed.present;
  joining->present = present;
  std::string member = s->member();
  std::vector<std::string> filters;
  for (auto& sub : s->subscriptions())
    if (sub.cursor || sub.holds_group) filters.push_back(sub.filter);
  joining->session = std::move(s);
  joining->outbound = std::move(record.outbound);
  auto finish = [this, k, joining] {
    if (--joining->waits > 0) return;
    std::unique_ptr<Session> session = std::move(joining->session);
    for (auto& out : joining->outbound)
      if (!out.filter.empty())
        if (auto* sub = session->find(out.filter); sub && sub->cursor)
          if (InFlight* e = session->window.find(out.packet_id)) e->log = sub->cursor->log;
    Channel* channel = find(k);
    const bool wanted = channel && channel->state() == Channel::State::opening;
    if (!wanted || joining->refused) {
      for (auto& sub : session->subscriptions()) {
        if (sub.cursor || sub.holds_group) stores_.logs->away(sub.filter, session->member());
        unindex(sub, k);
        leave_group(sub);
      }
      leave_unopened(session->client_id, session->epoch, session->expiry);
      if (wanted) channel->opened(nullptr, false, Reason::server_unavailable);
      return;
    }
    extra(k.slot).opening.clear();
    tidy(k.slot);
    if (stores_.peers) stores_.peers->connected(session->client_id, node_.connect_clock());
    channel->opened(std::move(session), joining->present, Reason::success);
  };
  joining->waits += static_cast<std::uint32_t>(filters.size());
  for (auto& filter : filters)
    stores_.logs->join(filter, member, [joining, filter, finish](result<ports::LogStore::Joined> joined) {
      joining->refused |= !joined;
      if (joined && joining->session)
        if (auto* sub = joining->session->find(filter); sub && sub->cursor)
          joining->session->bind(*sub->cursor, joined->log);
      finish();
    });
  finish();
}

/// CONNACK is out. First what was under way is sent again, in its order, then the logs are read on. [MQTT-4.4.0-1]
void Core::started(Channel& c) {
  Session& s = c.session();
  counters.subscriptions.add(s.subscriptions().size());
  clients_[c.slot].since = static_cast<std::uint32_t>(wall.time_since_epoch() / Seconds(1));
  if (node_.bans.connected(s.client_id, c.transport().address(), wall))
    tell(c, channel::EventKind::banned, "connects too often", "client");
  if (s.durable) take_up(c);
  for (auto& sub : s.subscriptions())
    if (sub.group) tell_group_of_member(c, sub);
  if (auto& e = clients_[c.slot].extra; e && e->yields)
    loop_.post_fn([this, k = key(c.slot)] {
      if (Channel* channel = find(k)) channel->shut_down(Reason::session_taken_over, Ending::taken_over);
    });
}

void Core::take_up(Channel& c) {
  Session& s = c.session();
  if (!s.window.empty()) {
    auto& r = extra(c.slot).resend;
    r = std::make_unique<Resend>();
    s.window.for_each([&](PacketId id, InFlight&) { r->ids.push_back(id); });
  }
  std::vector<ports::LogId> logs;  // a reader that is added may be told at once, and give a subscription up
  for (auto& sub : s.subscriptions())
    if (sub.cursor && sub.cursor->log) logs.push_back(sub.cursor->log);
  for (auto log : logs) {
    if (!c.up()) return;
    if (s.reader_of(log)) feeds_.add_reader(log, &c);
  }
  // An earlier connection may have been allowed more, and this one, while it waited for the store.
  if (!s.own_rights) s.rights = rights_of(s.subject());
  if (s.rights) check_rights(c);
  pump(c);
}

/// Sends again what the window of this connection allows; the rest follows with the acknowledgements.
void Core::resend(Channel& c) {
  Resend& r = *extra(c.slot).resend;
  while (!r.ids.empty() && !r.reading) {
    // What is in the window and not in the list has been sent on this connection.
    if (c.session().window.count() >= r.ids.size() + c.window_maximum()) return;
    if (c.out().size() > c.config().limits.output_bytes) return;
    if (!resend_one(c, r.ids.front())) return;
    r.ids.pop_front();
  }
  if (!r.ids.empty()) return;
  extra(c.slot).resend.reset();
  tidy(c.slot);
}

/// Sends one packet of an earlier connection again: PUBREL as it is, PUBLISH with DUP [MQTT-3.3.1-1]. False when the
/// log has to be asked for the message first.
bool Core::resend_one(Channel& c, PacketId id) {
  Session& s = c.session();
  InFlight* e = s.window.find(id);
  if (!e) return true;
  if (e->state == OutboundState::released) return c.send_pubrel(id), true;
  if (e->message) {
    const auto& m = e->message->view();
    if (!may_receive(s, m.topic)) return give_up(c, id, *e), true;
    Wanted want = wanted_by(s, m);
    // A message of no log is one that was retained, or a shared group's.
    bool retain = m.retain && (e->log == 0 || want.retain_as_published);
    std::uint8_t qos = e->state == OutboundState::sent_qos1 ? 1 : 2;
    if (c.fits(m, qos, want.ids)) {
      c.send_in_flight(m, id, qos, retain, true, want.ids);
    } else {  // the client takes less than it did [MQTT-3.1.2-25]
      counters.dropped_too_large.add();
      give_up(c, id, *e);
    }
    return true;
  }
  extra(c.slot).resend->reading = true;
  ClientExtra::Resend& r = *extra(c.slot).resend;
  if (std::exchange(r.sought, id) != id) r.searched = {};
  read_under_way(key(c.slot), id, e->log,
                 std::max(r.searched, model::Position{e->position.generation, e->position.offset - 1}));
  return false;
}

/// Looks for the message of `id` behind `after`. Where the log goes on in a later generation, the store may have
/// forgotten it and have it again further on, or get it again soon.
void Core::read_under_way(ClientKey k, PacketId id, ports::LogId log, model::Position after) {
  stores_.logs->read(log, after, kUnderWayPage, [this, k, id, log](result<ports::LogPage> page) {
    Channel* channel = find(k);
    if (!channel || !channel->up() || !extra(k.slot).resend) return;
    ClientExtra::Resend& r = *extra(k.slot).resend;
    bool later = !page, found = true;
    if (page) {
      take_messages(channel->session(), log, page->messages);
      if (InFlight* entry = channel->session().window.find(id); entry && !entry->message) {
        const model::Position last = page->messages.empty() ? page->head : page->messages.back().position;
        if (last < page->head && last.generation > entry->position.generation) return read_under_way(k, id, log, last);
        later = may_come_again(*page, entry->position, r.missing);
        if (later && last.generation > entry->position.generation) r.searched = last;
        found = false;
        if (!later) {
          counters.dropped_log_bound.add();  // a bound of the log took it away
          give_up(*channel, id, *entry);
        }
      }
    }
    r.reading = false;
    if (later) return touch(k.slot);  // asked again with the next tick
    if (found) r.missing = kNever;    // else others that are missing have been so for as long
    pump(*channel);
  });
}

/// The message that was there, at `p`, is not: who wrote it may write it again, for as long as his store keeps it.
bool Core::may_come_again(const ports::LogPage& page, const model::Position& p, MonoTime& missing) const {
  if (!page.forgetful || (p <= page.head && page.head.generation <= p.generation)) return false;
  if (missing == kNever) missing = now;
  return now - missing < kComesAgain;
}

/// Gives the messages of a log to what is under way from it.
void Core::take_messages(Session& s, ports::LogId log, const std::vector<ports::StoredMessage>& messages) {
  s.window.for_each([&](PacketId, InFlight& e) {
    if (e.log != log || e.message || e.state == OutboundState::released || e.state == OutboundState::received) return;
    auto at = std::lower_bound(messages.begin(), messages.end(), e.position,
                               [](const ports::StoredMessage& m, const model::Position& p) { return m.position < p; });
    if (at == messages.end() || at->position != e.position)
      at = std::find_if(messages.begin(), messages.end(), [&](const ports::StoredMessage& m) {
        return m.known && std::find(m.known->begin(), m.known->end(), e.position) != m.known->end();
      });
    if (at != messages.end()) s.window.keep(e, at->message);
  });
}

}  // namespace sb::broker
