// SPDX-License-Identifier: MIT
#include "broker/sys_topics.h"

#include <fmt/format.h>

#include <cmath>

namespace sb::broker {
namespace {

using channel::Counter;
using channel::Counters;

constexpr std::pair<const char*, Counter Counters::*> kReasons[] = {
    {"dropped/output_full", &Counters::dropped_output_full},
    {"dropped/queue_full", &Counters::dropped_queue_full},
    {"dropped/too_large", &Counters::dropped_too_large},
    {"dropped/expired", &Counters::dropped_expired},
    {"dropped/session_end", &Counters::dropped_session_end},
    {"dropped/no_member", &Counters::dropped_no_member},
    {"dropped/log_bound", &Counters::dropped_log_bound},
    {"dropped/memory", &Counters::dropped_memory},
    {"dropped/denied", &Counters::dropped_denied},
    {"dropped/store_refused", &Counters::dropped_store_refused},
    {"denied/publish", &Counters::publishes_denied},
    {"denied/subscribe", &Counters::subscribes_denied},
    {"held/acknowledgements", &Counters::held_acks},
    {"limited/publish", &Counters::limited_publish},
    {"connects/refused", &Counters::connects_refused},
    {"connects/waiting", &Counters::connects_waiting},
    {"refused/connections", &Counters::refused_connections},
    {"refused/address", &Counters::refused_address},
    {"refused/half_open", &Counters::refused_half_open},
    {"refused/connect_rate", &Counters::refused_connect_rate},
    {"refused/memory", &Counters::refused_memory},
    {"refused/banned", &Counters::refused_banned},
    {"refused/credentials", &Counters::refused_credentials},
    {"refused/sessions", &Counters::refused_sessions},
    {"refused/subscriptions", &Counters::refused_subscriptions},
    {"refused/retained", &Counters::retained_refused},
    {"errors/protocol", &Counters::protocol_errors},
    {"errors/keep_alive", &Counters::keep_alive_timeouts},
    {"errors/output_stall", &Counters::output_stalls},
    {"events/dropped", &Counters::events_dropped},
};

}  // namespace

void SysTopics::put(std::string_view name, std::string value) {
  std::string topic = fmt::format("$SYS/broker/{}", name);
  model::MessageView m;
  m.topic = topic;
  m.payload = value;
  m.retain = true;
  core_.publish(m);
}

/// The exponential average that load figures have, per minute.
void SysTopics::load(std::string_view name, Load& l, std::uint64_t total, double seconds) {
  constexpr std::array<double, 3> minutes = {1, 5, 15};
  constexpr std::array<const char*, 3> names = {"1min", "5min", "15min"};
  double per_minute = static_cast<double>(total - l.last) * 60 / seconds;
  l.last = total;
  for (std::size_t i = 0; i < minutes.size(); ++i) {
    double keep = std::exp(-seconds / (60 * minutes[i]));
    l.rate[i] = l.rate[i] * keep + per_minute * (1 - keep);
    put(fmt::format("load/{}/{}", name, names[i]), fmt::format("{:.2f}", l.rate[i]));
  }
}

void SysTopics::publish(MonoTime now, const State& state) {
  auto sum = [&](Counter Counters::*which) {
    std::uint64_t n = 0;
    for (Core* c : node_.cores) n += (c->counters.*which).get();
    return n;
  };
  double seconds = last_ == MonoTime{} ? static_cast<double>((now - started_).count()) / 1000
                                       : static_cast<double>((now - last_).count()) / 1000;
  if (seconds <= 0) seconds = 1;
  last_ = now;

  std::uint64_t connected = sum(&Counters::connections);
  clients_max_ = std::max(clients_max_, connected);
  std::uint64_t dropped = sum(&Counters::dropped_output_full) + sum(&Counters::dropped_queue_full) +
                          sum(&Counters::dropped_too_large) + sum(&Counters::dropped_expired) +
                          sum(&Counters::dropped_session_end) + sum(&Counters::dropped_no_member) +
                          sum(&Counters::dropped_log_bound) + sum(&Counters::dropped_store_refused) +
                          sum(&Counters::dropped_denied) + sum(&Counters::dropped_memory);
  put("version", version_);
  put("uptime", fmt::format("{} seconds", std::chrono::duration_cast<Seconds>(now - started_).count()));
  put("clients/connected", std::to_string(connected));
  put("clients/active", std::to_string(connected));  // the old name of the same
  put("clients/maximum", std::to_string(clients_max_));
  put("messages/received", std::to_string(sum(&Counters::packets_received)));
  put("messages/sent", std::to_string(sum(&Counters::packets_sent)));
  put("publish/messages/received", std::to_string(sum(&Counters::publishes_received)));
  put("publish/messages/sent", std::to_string(sum(&Counters::publishes_sent)));
  put("publish/messages/dropped", std::to_string(dropped));
  put("publish/bytes/received", std::to_string(sum(&Counters::payload_received)));
  put("publish/bytes/sent", std::to_string(sum(&Counters::payload_sent)));
  put("bytes/received", std::to_string(sum(&Counters::bytes_received)));
  put("bytes/sent", std::to_string(sum(&Counters::bytes_sent)));
  put("subscriptions/count", std::to_string(sum(&Counters::subscriptions)));
  put("shared_subscriptions/count", std::to_string(sum(&Counters::shared_subscriptions)));
  put("retained messages/count", std::to_string(state.retained));
  put("store/state", state.unavailable.empty() ? "up" : "down: " + state.unavailable);
  put("memory/bytes", std::to_string(state.memory));
  put("memory/full", node_.memory_full.load(std::memory_order_relaxed) ? "1" : "0");
  // Why messages were dropped, and what was refused; names of our own.
  for (auto& [name, counter] : kReasons) put(name, std::to_string(sum(counter)));
  load("messages/received", messages_in_, sum(&Counters::packets_received), seconds);
  load("messages/sent", messages_out_, sum(&Counters::packets_sent), seconds);
  load("publish/received", publish_in_, sum(&Counters::publishes_received), seconds);
  load("publish/sent", publish_out_, sum(&Counters::publishes_sent), seconds);
  load("publish/dropped", dropped_, dropped, seconds);
  load("bytes/received", bytes_in_, sum(&Counters::bytes_received), seconds);
  load("bytes/sent", bytes_out_, sum(&Counters::bytes_sent), seconds);
  load("connections", connections_, sum(&Counters::connects), seconds);
}

}  // namespace sb::broker
