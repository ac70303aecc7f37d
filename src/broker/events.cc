// SPDX-License-Identifier: MIT
#include "broker/events.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace sb::broker {

using channel::Event;
using channel::EventKind;

const char* name(EventKind k) {
  switch (k) {
    case EventKind::connected:
      return "client/connected";
    case EventKind::disconnected:
      return "client/disconnected";
    case EventKind::refused:
      return "client/refused";
    case EventKind::taken_over:
      return "client/taken_over";
    case EventKind::banned:
      return "client/banned";
    case EventKind::quota:
      return "quota";
    case EventKind::denied_publish:
      return "denied/publish";
    case EventKind::denied_subscribe:
      return "denied/subscribe";
  }
  return "";
}

channel::EventMask EventOptions::heard() const {
  channel::EventMask m;
  const Log l = log.load(std::memory_order_relaxed);
  if (topics.load(std::memory_order_relaxed) || l == Log::all) return channel::EventMask::of(0xFFFF);
  if (l == Log::none) return m;
  for (auto k : {EventKind::disconnected, EventKind::refused, EventKind::banned, EventKind::quota,
                 EventKind::denied_publish, EventKind::denied_subscribe})
    m.add(k);
  return m;
}

std::string event_json(const Event& e, std::string_view node, WallTime now) {
  auto text = [](std::string_view s) { return boost::json::string_view(s.data(), s.size()); };
  boost::json::object o;
  o["node"] = text(node);
  o["ts"] = now.time_since_epoch().count();
  o["client"] = text(e.client);
  o["user"] = text(e.user);
  o["peer"] = text(e.peer);
  o["reason"] = text(e.reason);
  if (!e.what.empty()) o["what"] = text(e.what);
  return boost::json::serialize(o);
}

void EventLog::write(const Event& e, EventOptions::Log level) {
  if (level == EventOptions::Log::none || (level == EventOptions::Log::refusals && !e.fault)) return;
  const bool each =
      e.kind == EventKind::banned || e.kind == EventKind::taken_over ||
      ((e.kind == EventKind::connected || e.kind == EventKind::disconnected) && level == EventOptions::Log::all);
  auto& limit = limits_[static_cast<std::size_t>(e.kind)];
  if (!each && !limit.pass()) return;
  std::string line = fmt::format("{} client={} user={} peer={} reason=\"{}\"", name(e.kind), log::name(e.client),
                                 log::name(e.user), e.peer, log::name(e.reason));
  if (!e.what.empty()) line += fmt::format(" what={}", log::name(e.what));
  if (!each && limit.suppressed()) line += fmt::format(" suppressed={}", limit.suppressed());
  log::info("{}", line);
}

}  // namespace sb::broker
