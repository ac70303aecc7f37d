// SPDX-License-Identifier: MIT
// Rights, where they are used. A session has its user's rights from its beginning, and new ones when they change; what
// it subscribed to, and what waits for it, is measured against those, whoever let it in.
#include "broker/core.h"
#include "model/topic.h"

namespace sb::broker {

using mqtt::Reason;
using session::Session;
using session::Subscription;

ports::RightsPtr Core::rights_of(const ports::Subject& who) const {
  return node_.authorizer ? node_.authorizer->rights(who) : nullptr;
}

/// The rights of a session that begins: its user's, or those that came with what the user showed.
void Core::give_rights(Session& s, const channel::OpenRequest& r, ClientKey k) {
  s.own_rights = r.rights != nullptr;
  s.rights = r.rights ? r.rights : rights_of(s.subject());
  if (r.rights_end == kNoExpiry) return;
  if (rights_ends_.size() > 1024 + 2 * counters.connections.get())  // most of them have left
    std::erase_if(rights_ends_, [this](auto& e) { return !find(ClientKey::unpack(e.second)); });
  rights_ends_.emplace(r.rights_end, k.packed());
}

bool Core::may_publish(Channel& c, std::string_view topic, bool retain) {
  return may_publish(c.session().rights, c.session().subject(), topic, retain);
}

bool Core::may_publish(const ports::RightsPtr& rights, const ports::Subject& who, std::string_view topic, bool retain) {
  return !rights || rights->may_publish(who, topic, retain);
}

bool Core::may_subscribe(const Session& s, std::string_view filter) {
  if (!s.rights) return true;
  // What one member of a group gets the others do not: so it has to be allowed to get all of it.
  if (auto shared = model::split_shared(filter))
    return s.rights->may_subscribe(s.subject(), shared->filter) &&
           s.rights->may_receive_all(s.subject(), shared->filter);
  return s.rights->may_subscribe(s.subject(), filter);
}

bool Core::may_receive(const Session& s, std::string_view topic) {
  if (!s.rights || s.rights->may_receive(s.subject(), topic)) return true;
  counters.dropped_denied.add();
  return false;
}

/// The same on the way of every message.
bool Core::may_receive(Session& s, std::string_view topic, std::uint64_t topic_hash) {
  if (!s.rights) return true;
  if (!s.restricted) return may_receive(s, topic);
  if (!s.verdicts) s.verdicts = std::make_unique<session::Verdicts>();
  if (s.verdicts->get(topic_hash, [&] { return s.rights->may_receive(s.subject(), topic); })) return true;
  counters.dropped_denied.add();
  return false;
}

/// Rights are others now: everything that was allowed before is looked at again. Nothing that is not allowed any more
/// is delivered behind this call.
void Core::rights_changed() {
  for (std::size_t slot = 0; slot < clients_.size(); ++slot) {
    Channel* c = clients_[slot].channel;
    if (!c || !c->up()) continue;
    Session& s = c->session();
    if (!s.own_rights) s.rights = rights_of(s.subject());
    c->rights_changed();
    check_rights(*c);
  }
  rights_version_ = node_.index.version();
}

/// Ends subscriptions that are not allowed, and drops what waits and may not be received.
void Core::check_rights(Channel& c) {
  Session& s = c.session();
  const ClientKey k = key(c.slot);
  std::vector<std::string> denied;
  s.verdicts.reset();
  s.restricted = false;
  for (auto& sub : s.subscriptions()) {
    const bool draining = sub.cursor && sub.cursor->draining;
    const bool was = sub.restricted;
    restrict(sub, s);
    if (!draining && !may_subscribe(s, sub.filter))
      denied.push_back(sub.filter);
    else if (sub.indexed && sub.restricted != was)
      index(sub, s, k, true);
  }
  if (s.restricted && s.has_waiting()) {
    session::Queue rest;
    for (auto& w : s.queue().items())
      if (may_receive(s, w.message->view().topic)) rest.offer(std::move(w), UINT32_MAX, SIZE_MAX, false);
    s.queue() = std::move(rest);
  }
  if (denied.empty()) return;
  for (auto& filter : denied) tell(c, channel::EventKind::denied_subscribe, "withdrawn", filter);
  counters.subscribes_denied.add(denied.size());
  withdraw(c, denied);
}

/// Notes whether messages of the subscription have to be asked about.
void Core::restrict(Subscription& sub, Session& s) {
  sub.restricted = s.rights && !s.rights->may_receive_all(s.subject(), model::unshared(sub.filter));
  s.restricted |= sub.restricted;
}

/// Connections whose rights were given for a time.
void Core::end_rights() {
  while (!rights_ends_.empty() && rights_ends_.begin()->first <= wall) {
    const ClientKey k = ClientKey::unpack(rights_ends_.begin()->second);
    rights_ends_.erase(rights_ends_.begin());
    if (Channel* c = find(k); c && c->up()) c->shut_down(Reason::maximum_connect_time);
  }
}

}  // namespace sb::broker
