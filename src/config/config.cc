// SPDX-License-Identifier: MIT
#include "config/config.h"

#include <fmt/format.h>

namespace sb::config {

const char* to_string(ListenerKind k) {
  switch (k) {
    case ListenerKind::mqtt:
      return "mqtt";
    case ListenerKind::mqtts:
      return "mqtts";
    case ListenerKind::ws:
      return "ws";
    case ListenerKind::wss:
      return "wss";
  }
  return "?";
}

std::vector<ListenerConfig> default_listeners() {
  std::vector<ListenerConfig> out(kListenerKinds);
  for (std::size_t i = 0; i < kListenerKinds; ++i) out[i].kind = static_cast<ListenerKind>(i);
  out[0].bind = Address::tcp("127.0.0.1", 1883);
  out[2].bind = Address::tcp("127.0.0.1", 8083);
  return out;
}

std::string listener_name(const Config& c, std::size_t index) {
  if (!c.listeners[index].extra) return fmt::format("listeners.{}", to_string(c.listeners[index].kind));
  return fmt::format("listeners.extra[{}]", index - kListenerKinds);
}

bool anonymous_allowed(const Config& c, const ListenerConfig& l) {
  Anonymous a = l.allow_anonymous == Anonymous::automatic ? c.auth.allow_anonymous : l.allow_anonymous;
  return a == Anonymous::automatic ? l.bind.is_local() : a == Anonymous::yes;
}

model::Limits limits_of(const Config& c, const ListenerConfig& l) {
  model::Limits out = c.limits;
  if (l.max_packet_size != 0) out.max_packet_size = l.max_packet_size;
  if (l.connect_timeout != 0) out.connect_timeout = l.connect_timeout;
  return out;
}

}  // namespace sb::config
