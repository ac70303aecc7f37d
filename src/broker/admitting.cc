// SPDX-License-Identifier: MIT
// Who comes in, when, and who hears of it: admission, bans, events.
#include "broker/core.h"

namespace sb::broker {

using channel::Event;
using channel::EventKind;
using mqtt::Reason;

void Core::admit(Channel& c, std::string_view client_id, bool durable) {
  if (c.slot == kNoSlot) take_slot(c);
  if (memory_full) {
    counters.refused_memory.add();
    return c.admitted(Reason::quota_exceeded);
  }
  if (node_.bans.client(client_id, c.transport().address(), wall)) return c.admitted(Reason::banned);
  if (admission_.ask(key(c.slot).packed(), durable, now)) return c.admitted(Reason::success);
  counters.connects_waiting.set(admission_.waiting());
}

/// True when there are more for the next turn.
bool Core::run_admission() {
  for (std::uint64_t who = 0; admission_.next(now, who);) {
    Channel* c = find(ClientKey::unpack(who));
    if (!c) continue;  // it has left meanwhile
    admission_.take(now);
    c->admitted(Reason::success);
  }
  counters.connects_waiting.set(admission_.waiting());
  const bool more = admission_.goes_on(now);
  if (!more && admission_.waiting() > 0) loop_.timers().set(admission_wake_, admission_.ready_at());
  return more;
}

void Core::refused(Channel& c, Reason reason) {
  switch (reason) {
    case Reason::banned:
      return counters.refused_banned.add();
    case Reason::connection_rate_exceeded:
      return counters.refused_connect_rate.add();
    case Reason::not_authorized:
    case Reason::bad_authentication_method:
      return counters.refused_credentials.add();
    case Reason::bad_user_name_or_password: {
      counters.refused_credentials.add();
      const Ip from = c.transport().address();
      if (!node_.bans.failed(from, wall)) return;
      const std::string address = from.text();
      return happened({EventKind::banned, {}, {}, address, "too many refused logins", "address"});
    }
    default:
      return;
  }
}

void Core::bans_changed() {
  for (std::size_t slot = 0; slot < clients_.size(); ++slot) {
    Channel* c = clients_[slot].channel;
    if (!c || !c->up()) continue;
    const session::Session& s = c->session();
    const Ip from = c->transport().address();
    if (node_.bans.client(s.client_id, from, wall) || node_.bans.user(s.username, wall) ||
        node_.bans.address(from, wall))
      c->shut_down(Reason::administrative_action);
  }
}

// ---------------------------------------------------------------- events

void Core::happened(const Event& e) {
  event_log_.write(e, node_.events.log.load(std::memory_order_relaxed));
  if (!node_.events.topics.load(std::memory_order_relaxed)) return;
  if (!event_rate_.ready(now)) return counters.events_dropped.add();
  event_rate_.take(1, now);
  events_.emplace_back(e.kind, event_json(e, node_.name, wall));  // not in the middle of what made it happen
}

/// Something happened to a client that is connected.
void Core::tell(Channel& c, EventKind kind, std::string_view reason, std::string_view what, bool fault) {
  if (!hears.has(kind)) return;
  const std::string peer = c.transport().peer();
  Event e{kind, {}, {}, peer, reason, what, fault};
  if (c.has_session()) {
    e.client = c.session().client_id;
    e.user = c.session().username;
  }
  happened(e);
}

void Core::publish_events() {
  for (auto& [kind, json] : std::exchange(events_, {})) {
    const std::string topic = std::string("$SYS/brokers/events/") + name(kind);
    model::MessageView m;
    m.topic = topic;
    m.payload = json;
    m.qos = 1;
    publish(m);
  }
}

}  // namespace sb::broker
