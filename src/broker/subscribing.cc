// SPDX-License-Identifier: MIT
// SUBSCRIBE and UNSUBSCRIBE, and the retained messages that a subscription brings.
#include <algorithm>

#include "broker/core.h"
#include "model/topic.h"

namespace sb::broker {

using channel::SubscribeItem;
using mqtt::PacketId;
using mqtt::Reason;
using session::Session;
using session::Subscription;

/// A SUBSCRIBE or UNSUBSCRIBE that waits for the stores.
struct Core::PendingSubscribe {
  ClientKey client;
  PacketId id = 0;
  bool unsubscribe = false;
  std::vector<Reason> codes;
  std::vector<Scan> scans;
  bool save = false;  ///< the record is yet to be written, once the logs are joined
  std::uint32_t waits = 1;
};

// ---------------------------------------------------------------- the index

void Core::index(const Subscription& s, const Session& session, ClientKey k, bool replaces) {
  Subscriber sub;
  sub.client = k;
  sub.subscription_id = s.subscription_id;
  sub.qos = s.options.qos;
  sub.no_local = s.options.no_local;
  sub.retain_as_published = s.options.retain_as_published;
  if (auto shared = model::split_shared(s.filter)) {
    SharedGroupPtr g = node_.index.add_shared(shared->group, shared->filter, sub);
    if (replaces) return;
    auto& mine = groups_[g->key];
    if (!mine.first) mine.first = g;
    ++mine.second;
    counters.shared_subscriptions.add();
    return;
  }
  sub.logged = session.durable && s.options.qos > 0;
  node_.index.add(s.filter, sub);
}

void Core::unindex(const Subscription& s, ClientKey k) {
  if (auto shared = model::split_shared(s.filter)) {
    node_.index.remove_shared(shared->group, shared->filter, k);
    counters.shared_subscriptions.sub();
    return;
  }
  node_.index.remove(s.filter, k);
}

// ---------------------------------------------------------------- SUBSCRIBE

void Core::subscribe(Channel& c, PacketId id, std::vector<SubscribeItem>& items, std::uint32_t subscription_id) {
  Session& s = c.session();
  ClientKey k = key(c.slot);
  auto p = std::make_shared<PendingSubscribe>();
  p->client = k;
  p->id = id;
  for (auto& item : items) {
    Reason r = item.reason;
    if (ok(r) && node_.authorizer && !node_.authorizer->may_subscribe({s.client_id, s.username}, item.filter))
      r = Reason::not_authorized;
    Subscription* sub = ok(r) ? s.find(item.filter) : nullptr;
    if (ok(r) && !sub && s.subscriptions().size() >= c.config().limits.subscriptions) r = Reason::quota_exceeded;
    if (!ok(r)) {
      p->codes.push_back(r);
      continue;
    }
    bool is_new = !sub || (sub->cursor && sub->cursor->draining);
    if (!sub) {
      sub = &s.add(std::string(item.filter));
      counters.subscriptions.add();
    }
    if (sub->cursor) sub->cursor->draining = false;
    sub->options = item.options;
    sub->subscription_id = subscription_id;
    index(*sub, s, k, !is_new);  // [MQTT-3.8.4-3]: replaced without a gap
    bool shared = model::is_shared(item.filter);
    if (s.durable && !shared) {
      if (item.options.qos > 0 && !sub->cursor)
        join(c, std::string(item.filter), p);
      else if (item.options.qos == 0 && sub->cursor)
        leave_log(c, s, *sub);
    }
    // [MQTT-3.8.4-4] [MQTT-3.3.1-9..11]; not for shared subscriptions.
    bool wants_retained = item.options.retain_handling == 0 || (item.options.retain_handling == 1 && is_new);
    if (!shared && wants_retained) p->scans.push_back({std::string(item.filter), {}, item.options, subscription_id});
    p->codes.push_back(static_cast<Reason>(item.options.qos));
  }
  p->save = s.durable;
  subscribe_settled(p);
}

void Core::join(Channel& c, const std::string& filter, std::shared_ptr<PendingSubscribe> p) {
  ++p->waits;
  std::string member = c.session().member();
  stores_.logs->join(filter, member, [this, p, filter, member](result<ports::LogStore::Joined> joined) {
    Channel* channel = find(p->client);
    if (channel && channel->up()) {
      // The same filter may stand several times in a SUBSCRIBE: one cursor, and none when the last one says QoS 0.
      Subscription* sub = channel->session().find(filter);
      if (!sub || sub->options.qos == 0) {
        stores_.logs->leave(filter, member);
      } else if (joined && !sub->cursor) {
        sub->cursor = std::make_unique<session::Cursor>();
        sub->cursor->log = joined->log;
        sub->cursor->next = joined->head;
        feeds_.add_reader(joined->log, channel);
      }
    } else {
      stores_.logs->leave(filter, member);
    }
    subscribe_settled(p);
  });
}

model::SubscriptionRecord Core::record_of(const Subscription& sub) {
  model::SubscriptionRecord r;
  r.filter = sub.filter;
  r.options = sub.options;
  r.subscription_id = sub.subscription_id;
  r.order = sub.order;
  if (sub.cursor) {
    r.logged = true;
    r.next = sub.cursor->next;
    r.draining = sub.cursor->draining;
    r.drain_to = sub.cursor->drain_to;
    r.covers = sub.cursor->covers;
  }
  return r;
}

void Core::save_subscriptions(Session& s, std::function<void(bool)> done) {
  ports::SessionChange change;
  std::vector<model::SubscriptionRecord> records;
  for (auto& sub : s.subscriptions()) records.push_back(record_of(sub));
  change.subscriptions = std::move(records);
  change.next_order = s.next_order();
  stores_.sessions->change(s.client_id, s.epoch, std::move(change), [done](result<void> r) { done(r.has_value()); });
}

void Core::subscribe_settled(std::shared_ptr<PendingSubscribe> p) {
  if (--p->waits > 0) return;
  Channel* c = find(p->client);
  if (!c || !c->up()) return;
  if (std::exchange(p->save, false)) {
    ++p->waits;
    return save_subscriptions(c->session(), [this, p](bool saved) {
      if (saved) return subscribe_settled(p);
      if (Channel* channel = find(p->client))
        channel->shut_down(Reason::session_taken_over, channel::Ending::taken_over);
    });
  }
  if (p->unsubscribe) return c->unsubscribed(p->id, p->codes);
  if (!p->scans.empty()) {
    for (auto& scan : p->scans) extra(c->slot).scans.push_back(std::move(scan));
  }
  c->subscribed(p->id, p->codes);
  if (c->up()) pump(*c);
}

// ---------------------------------------------------------------- UNSUBSCRIBE

void Core::unsubscribe(Channel& c, PacketId id, const std::vector<std::string_view>& filters) {
  Session& s = c.session();
  ClientKey k = key(c.slot);
  auto p = std::make_shared<PendingSubscribe>();
  p->client = k;
  p->id = id;
  p->unsubscribe = true;
  for (auto filter : filters) {
    Subscription* sub = s.find(filter);
    if (!sub || (sub->cursor && sub->cursor->draining)) {
      p->codes.push_back(Reason::no_subscription_existed);
      continue;
    }
    unindex(*sub, k);
    leave_group(filter);
    p->codes.push_back(Reason::success);
    if (sub->cursor && start_draining(s, *sub)) continue;
    if (sub->cursor) leave_log(c, s, *sub);
    counters.subscriptions.sub();
    s.remove(filter);
  }
  p->save = s.durable;
  subscribe_settled(p);
}

/// True when the subscription has to go on delivering for a while, since younger ones have passed messages over that
/// were its to deliver.
bool Core::start_draining(Session& s, Subscription& sub) {
  model::Position head = feeds_.head(sub.cursor->log);
  bool behind = sub.cursor->next < head, overlapped = false;
  sub.cursor->covers.clear();
  for (auto& other : s.subscriptions()) {
    if (&other == &sub || !other.cursor || other.order < sub.order) continue;
    model::Position upto = feeds_.head(other.cursor->log);
    overlapped = true;
    behind |= other.cursor->next < upto;  // and would deliver again what this one has delivered
    sub.cursor->covers.emplace_back(other.filter, upto);
  }
  if (!overlapped || !behind) return false;
  sub.cursor->draining = true;
  sub.cursor->drain_to = head;
  return true;
}

void Core::leave_log(Channel& c, Session& s, Subscription& sub) {
  hold_messages_of(s, sub.cursor->log);
  feeds_.remove_reader(sub.cursor->log, &c);
  stores_.logs->leave(sub.filter, s.member());
  sub.cursor.reset();
}

/// What is under way from a log stays owed although the log may go [MQTT-3.10.4-3]: the window keeps the messages
/// themselves.
void Core::hold_messages_of(Session& s, std::uint64_t log) {
  s.window.for_each([&](PacketId, session::InFlight& e) {
    if (e.log == log) e.log = 0;
  });
}

// ---------------------------------------------------------------- retained messages

void Core::scan_retained(Channel& c) {
  Client& cl = clients_[c.slot];
  if (!cl.extra || cl.extra->scans.empty()) return;
  Scan& scan = cl.extra->scans.front();
  if (scan.asked || c.session().has_waiting() || !c.has_room()) return;
  scan.asked = true;
  constexpr std::size_t kPage = 256;
  stores_.retained->match(scan.filter, scan.resume, kPage, wall,
                          [this, k = key(c.slot), filter = scan.filter](result<ports::RetainedStore::Page> page) {
                            retained_page(k, filter, std::move(page));
                          });
}

void Core::retained_page(ClientKey k, const std::string& filter, result<ports::RetainedStore::Page> page) {
  Channel* c = find(k);
  if (!c || !c->up()) return;
  Client& cl = clients_[c->slot];
  if (!cl.extra || cl.extra->scans.empty() || cl.extra->scans.front().filter != filter) return;
  Extra& e = *cl.extra;
  Scan& scan = e.scans.front();
  scan.asked = false;
  bool more = false, stopped = false;
  // An UNSUBSCRIBE ends it.
  Subscription* sub = c->session().find(filter);
  if (page && sub) {
    std::span<const std::uint32_t> ids;
    if (scan.subscription_id) ids = {&scan.subscription_id, 1};
    for (auto& m : page->messages) {
      if (e.seen_live.contains(m->view().topic)) continue;  // a newer one came live
      if (!c->has_room() || c->session().has_waiting()) {
        stopped = true;  // it goes on behind the last one that was sent
        break;
      }
      channel::Fanout f(m, wall, scratch_);
      c->deliver(f, std::min<std::uint8_t>(m->view().qos, scan.options.qos), true, ids);
      scan.resume = m->view().topic;
    }
    more = stopped || !page->resume.empty();
    if (!stopped) scan.resume = page->resume;
  }
  if (!more) {
    e.scans.erase(e.scans.begin());
    if (e.scans.empty()) e.seen_live.clear();
    tidy(c->slot);
  }
  scan_retained(*c);
}

}  // namespace sb::broker
