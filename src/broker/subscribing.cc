// SPDX-License-Identifier: MIT
// SUBSCRIBE and UNSUBSCRIBE. Durable sessions: the logs are joined, publishers find the subscription, its record is
// stored, and then SUBACK goes out. PROTOCOLS: routes and SUBACK.
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
  bool withdrawn = false;  ///< nobody asked for the UNSUBSCRIBE
  std::vector<Reason> codes;
  std::vector<std::string> changed, removed, scans, left;  ///< filters; `left`: of logs
  /// What later turns go on with: thousands of filters in one packet hold up nobody else.
  struct Later {
    std::string filter;
    model::SubscribeOptions options;
    Reason reason;
  };
  std::vector<Later> later;
  std::size_t later_done = 0, indexed = 0;  ///< of `later`, of `changed`
  std::uint32_t subscription_id = 0;
  enum class Step : std::uint8_t { join, save, tell, answer } step = Step::join;
  std::uint32_t waits = 1;
};

// ---------------------------------------------------------------- the index

void Core::index(Subscription& s, Session& session, ClientKey k, bool replaces) {
  restrict(s, session);
  Subscriber sub;
  sub.restricted = s.restricted;
  sub.client = k;
  sub.subscription_id = s.subscription_id;
  sub.qos = s.options.qos;
  sub.no_local = s.options.no_local;
  sub.retain_as_published = s.options.retain_as_published;
  s.indexed = true;
  if (auto shared = model::split_shared(s.filter)) {
    SharedGroupPtr g = node_.index.add_shared(shared->group, shared->filter, sub);
    if (replaces) return;
    auto& mine = groups_[g->key];
    if (!mine.first) mine.first = g;
    ++mine.second;
    s.group = g->key;
    counters.shared_subscriptions.add();
    want(s, ports::Interest::group);
    return;
  }
  // Once it reads a log it goes on to, also when its QoS is lowered to 0: nothing is lost or doubled by a change of
  // paths.
  sub.logged = session.durable && s.cursor;
  node_.index.add(s.filter, sub);
  want(s, sub.logged ? ports::Interest::logged : ports::Interest::live);
}

void Core::unindex(Subscription& s, ClientKey k) {
  if (!std::exchange(s.indexed, false)) return;
  want(s, ports::Interest::none);
  if (auto shared = model::split_shared(s.filter)) {
    node_.index.remove_shared(shared->group, shared->filter, k);
    counters.shared_subscriptions.sub();
    return;
  }
  node_.index.remove(s.filter, k);
}

// ---------------------------------------------------------------- SUBSCRIBE

void Core::subscribe(Channel& c, PacketId id, std::vector<SubscribeItem>& items, std::uint32_t subscription_id) {
  auto p = std::make_shared<PendingSubscribe>();
  p->client = key(c.slot);
  p->id = id;
  p->subscription_id = subscription_id;
  for (std::size_t i = 0; i < std::min(items.size(), kFiltersPerTurn); ++i) take_filter(c, items[i], p);
  for (std::size_t i = kFiltersPerTurn; i < items.size(); ++i)
    p->later.push_back({std::string(items[i].filter), items[i].options, items[i].reason});
  take_later(p);
}

/// Goes on with the filters of a large packet, turn by turn.
void Core::take_later(std::shared_ptr<PendingSubscribe> p) {
  if (p->later_done == p->later.size()) return subscribe_settled(std::move(p));
  loop_.post_fn([this, p] {
    Channel* c = find(p->client);
    if (!c || !c->up()) return;
    for (std::size_t n = 0; n < kFiltersPerTurn && p->later_done < p->later.size(); ++n) {
      const auto& item = p->later[p->later_done++];
      if (p->unsubscribe)
        take_unsubscribe(*c, item.filter, *p);
      else
        take_filter(*c, {item.filter, item.options, item.reason}, p);
    }
    take_later(p);
  });
}

void Core::take_filter(Channel& c, const SubscribeItem& item, const std::shared_ptr<PendingSubscribe>& p) {
  Session& s = c.session();
  Reason r = item.reason;
  if (ok(r) && !may_subscribe(s, item.filter)) {
    r = Reason::not_authorized;
    counters.subscribes_denied.add();
    tell(c, channel::EventKind::denied_subscribe, "not authorized", item.filter);
  }
  Subscription* sub = ok(r) ? s.find(item.filter) : nullptr;
  if (ok(r) && !sub && s.subscriptions().size() >= c.config().limits.subscriptions) {
    r = Reason::quota_exceeded;
    counters.refused_subscriptions.add();
    tell(c, channel::EventKind::quota, "subscription refused", "limits.subscriptions");
  } else if (ok(r) && !sub && memory_full) {
    r = Reason::quota_exceeded;
    counters.refused_memory.add();
  }
  if (item.reason == Reason::quota_exceeded) counters.refused_subscriptions.add();  // too long, or too deep
  p->codes.push_back(ok(r) ? static_cast<Reason>(item.options.qos) : r);
  if (!ok(r)) return;
  if (!sub) {
    sub = &s.add(std::string(item.filter));
    counters.subscriptions.add();
  }
  const bool is_new = !sub->indexed;
  if (sub->cursor && sub->cursor->draining) {
    // Behind what it owed, others have delivered what it would have: it begins anew.
    sub->cursor->anew = sub->cursor->next >= sub->cursor->drain_to;
    if (!sub->cursor->anew) sub->cursor->draining = false, --s.draining;
  }
  sub->options = item.options;
  sub->subscription_id = p->subscription_id;
  p->changed.emplace_back(item.filter);
  bool shared = model::is_shared(item.filter);
  const bool reads = sub->holds_group || (sub->cursor && !sub->cursor->anew);
  if (s.durable && ((item.options.qos > 0 && !reads) || (sub->cursor && sub->cursor->anew)))
    join(c, p->changed.back(), p);
  // [MQTT-3.8.4-4] [MQTT-3.3.1-9..11]; not for shared subscriptions.
  bool wants_retained = item.options.retain_handling == 0 || (item.options.retain_handling == 1 && is_new);
  if (!shared && wants_retained) p->scans.emplace_back(item.filter);
}

void Core::join(Channel& c, const std::string& filter, std::shared_ptr<PendingSubscribe> p) {
  ++p->waits;
  std::string member = c.session().member();
  std::size_t item = p->codes.size() - 1;
  stores_.logs->join(filter, member, [this, p, filter, member, item](result<ports::LogStore::Joined> joined) {
    Channel* channel = find(p->client);
    if (channel && channel->up()) {
      // The same filter may stand several times in a SUBSCRIBE: one cursor.
      Session& s = channel->session();
      Subscription* sub = s.find(filter);
      if (joined && sub && model::is_shared(filter) && !sub->holds_group) {
        sub->holds_group = true;
      } else if (joined && sub && !sub->cursor && !model::is_shared(filter)) {
        s.renew_order(*sub);  // older ones deliver what came before, also where this was one of QoS 0
        s.give_cursor(*sub, joined->log, joined->head);
        if (s.covering) uncover(s, filter, *p);
        feeds_.add_reader(joined->log, channel);
      } else {  // withdrawn meanwhile, or several times in a SUBSCRIBE
        if (joined && sub && sub->cursor && sub->cursor->anew) begin_anew(s, *sub, joined->head);
        if (joined && !sub)
          stores_.logs->abandon(filter, member);
        else
          stores_.logs->away(filter, member);
      }
      if (!joined) {
        p->codes[item] = Reason::quota_exceeded;
        if (sub && sub->cursor) sub->cursor->anew = false;
        if (sub && !sub->indexed && !sub->cursor) remove_subscription(*channel, *sub, p->left);
      }
    } else if (joined) {
      stores_.logs->abandon(filter, member);
    } else {
      stores_.logs->away(filter, member);
    }
    subscribe_settled(p);
  });
}

/// What others cover of a filter was in a log that it had before.
void Core::uncover(Session& s, const std::string& filter, PendingSubscribe& p) {
  s.covering = false;
  for (auto& other : s.subscriptions()) {
    if (!other.cursor) continue;
    if (std::erase_if(other.cursor->covers, [&](auto& of) { return of.first == filter; }))
      p.changed.push_back(other.filter);
    s.covering |= !other.cursor->covers.empty();
  }
}

/// It had delivered what it owed, and is the youngest now; what came behind that was the others' to deliver.
void Core::begin_anew(Session& s, Subscription& sub, model::Position head) {
  sub.cursor->anew = sub.cursor->draining = false;
  --s.draining;
  s.renew_order(sub);
  sub.cursor->go_on(std::max(sub.cursor->next, head));
}

void Core::subscribe_settled(std::shared_ptr<PendingSubscribe> p) {
  if (--p->waits > 0) return;
  Channel* c = find(p->client);
  if (!c || !c->up()) return;
  using Step = PendingSubscribe::Step;
  if (p->step == Step::join) {
    const std::size_t end = std::min(p->changed.size(), p->indexed + kFiltersPerTurn);
    for (; p->indexed < end; ++p->indexed)  // [MQTT-3.8.4-3]: replaced without a gap
      if (Subscription* sub = c->session().find(p->changed[p->indexed]); sub && !(sub->cursor && sub->cursor->draining))
        index(*sub, c->session(), p->client, sub->indexed);
    if (end < p->changed.size()) {
      ++p->waits;
      return loop_.post_fn([this, p] { subscribe_settled(p); });
    }
    p->step = c->session().durable ? Step::save : Step::tell;
  }
  if (p->step == Step::save) {
    p->step = Step::tell;
    return save_changed(*c, p);
  }
  if (p->step == Step::tell) {
    p->step = Step::answer;
    if (stores_.peers && !p->unsubscribe && !p->changed.empty()) {
      ++p->waits;
      return interest_waiters_.push_back(p);
    }
  }
  if (p->withdrawn) return;
  if (p->unsubscribe) return c->unsubscribed(p->id, p->codes);
  for (auto& filter : p->scans) start_scan(*c, std::move(filter));
  c->subscribed(p->id, p->codes);
  if (!c->up()) return;
  for (auto& filter : p->changed)
    if (Subscription* sub = c->session().find(filter); sub && sub->group) tell_group_of_member(*c, *sub);
  if (c->up()) pump(*c);
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
    if (sub.cursor->passed) r.passed = *sub.cursor->passed;
    r.draining = sub.cursor->draining;
    r.drain_to = sub.cursor->drain_to;
    r.covers = sub.cursor->covers;
  }
  return r;
}

void Core::save_changed(Channel& c, std::shared_ptr<PendingSubscribe> p) {
  Session& s = c.session();
  Saved w = unsaved(s, p->client);
  for (auto& filter : p->changed)
    if (Subscription* sub = s.find(filter)) w.change.subscriptions_set.push_back(record_of(*sub));
  w.change.subscriptions_removed = std::move(p->removed);
  w.change.next_order = s.next_order();
  w.left = std::move(p->left);
  ++p->waits;
  save(s, p->client, std::move(w), [this, p](const result<void>& saved, const Saved&) {
    if (saved) return subscribe_settled(p);
    store_failed(p->client, saved.error());
  });
}

// ---------------------------------------------------------------- UNSUBSCRIBE

void Core::unsubscribe(Channel& c, PacketId id, const std::vector<std::string_view>& filters) {
  auto p = std::make_shared<PendingSubscribe>();
  p->client = key(c.slot);
  p->id = id;
  p->unsubscribe = true;
  // What one still owes is known when it is known how far the logs go.
  const bool waits = !knows_heads(c.session());
  const std::size_t now_done = waits ? 0 : std::min(filters.size(), kFiltersPerTurn);
  for (std::size_t i = 0; i < now_done; ++i) take_unsubscribe(c, filters[i], *p);
  for (std::size_t i = now_done; i < filters.size(); ++i)
    p->later.push_back({std::string(filters[i]), {}, Reason::success});
  if (waits)
    extra(c.slot).unsubscribing = [this, p] { take_later(p); };
  else
    take_later(p);
}

bool Core::knows_heads(const Session& s) const {
  return std::ranges::all_of(s.subscriptions(),
                             [this](auto& sub) { return !sub.cursor || feeds_.attached(sub.cursor->log); });
}

void Core::go_on_to_unsubscribe(Channel& c) {
  if (!knows_heads(c.session())) return;
  const auto go_on = std::exchange(extra(c.slot).unsubscribing, nullptr);
  tidy(c.slot);
  go_on();
}

void Core::take_unsubscribe(Channel& c, std::string_view filter, PendingSubscribe& p) {
  Subscription* sub = c.session().find(filter);
  if (!sub || (sub->cursor && sub->cursor->draining && !sub->cursor->anew))
    return p.codes.push_back(Reason::no_subscription_existed);
  p.codes.push_back(Reason::success);
  end_subscription(c, *sub, p);
}

void Core::end_subscription(Channel& c, Subscription& sub, PendingSubscribe& p) {
  Session& s = c.session();
  unindex(sub, p.client);
  leave_group(sub);
  cancel_scan(c.slot, sub.filter);
  if (sub.cursor && std::exchange(sub.cursor->anew, false)) return;  // as before it was subscribed again
  if (sub.cursor && start_draining(s, sub)) {
    ++s.draining;
    p.changed.emplace_back(sub.filter);
    return;
  }
  p.removed.emplace_back(sub.filter);
  remove_subscription(c, sub, p.left);
}

/// The client has lost the right to these.
void Core::withdraw(Channel& c, const std::vector<std::string>& filters) {
  auto p = std::make_shared<PendingSubscribe>();
  p->client = key(c.slot);
  p->unsubscribe = p->withdrawn = true;
  for (auto& filter : filters) end_subscription(c, *c.session().find(filter), *p);
  subscribe_settled(p);
}

/// True when the subscription has to stay for a while: younger ones have passed messages over that were its to deliver,
/// or an earlier connection left some of its messages under way that have to be read from the log again.
bool Core::start_draining(Session& s, Subscription& sub) {
  model::Position head = feeds_.head(sub.cursor->log);
  auto& covers = sub.cursor->covers;
  // Of an earlier time remains what older ones have yet to pass over.
  std::erase_if(covers, [&](auto& old) {
    const auto* other = s.find(old.first);
    return !other || !other->cursor || other->order > sub.order || other->cursor->next >= old.second;
  });
  bool overlapped = !covers.empty(), behind = overlapped || sub.cursor->next < head;
  for (auto& other : s.subscriptions()) {
    if (&other == &sub || !other.cursor || other.order < sub.order) continue;
    model::Position upto = feeds_.head(other.cursor->log);
    overlapped = true;
    behind |= other.cursor->next < upto;  // and would deliver again what this one has delivered
    covers.emplace_back(other.filter, upto);
    s.covering = true;
  }
  bool owes = overlapped && behind;
  if (!owes && !owes_unread(s, sub.cursor->log)) return false;
  sub.cursor->draining = true;
  sub.cursor->drain_to = owes ? head : sub.cursor->next;
  return true;
}

/// True when something is under way from `log` whose message is only there.
bool Core::owes_unread(Session& s, std::uint64_t log) {
  bool found = false;
  s.window.for_each([&](PacketId, session::InFlight& e) {
    found |= e.log == log && !e.message &&
             (e.state == model::OutboundState::sent_qos1 || e.state == model::OutboundState::sent_qos2);
  });
  return found;
}

/// `left`: gets the log that is to be left when the record says so.
void Core::remove_subscription(Channel& c, Subscription& sub, std::vector<std::string>& left) {
  if ((sub.cursor || sub.holds_group) && stores_.peers)
    left.push_back(sub.filter);
  else if (sub.cursor || sub.holds_group)
    stores_.logs->leave(sub.filter, c.session().member());
  if (sub.cursor) leave_log(c, sub);
  counters.subscriptions.sub();
  c.session().remove(std::string(sub.filter));
}

/// What is under way from a log stays owed although the log may go [MQTT-3.10.4-3]: the window keeps the messages
/// themselves, and the record will.
void Core::leave_log(Channel& c, Subscription& sub) {
  Session& s = c.session();
  s.window.for_each([&](PacketId, session::InFlight& e) {
    if (e.log != sub.cursor->log) return;
    e.log = 0;
    if (e.state == model::OutboundState::sent_qos1 || e.state == model::OutboundState::sent_qos2) e.saved = false;
  });
  feeds_.remove_reader(sub.cursor->log, &c);
  s.drop_cursor(sub);
}

/// The record does not have these subscriptions any more. Whoever has the session may have subscribed again meanwhile.
void Core::leave_logs(ClientKey k, const std::string& member, const std::vector<std::string>& filters) {
  Channel* c = find(k);
  for (auto& filter : filters)
    if (!c || !c->has_session() || c->session().find(filter))
      stores_.logs->abandon(filter, member);
    else
      stores_.logs->leave(filter, member);
}

}  // namespace sb::broker
