// SPDX-License-Identifier: MIT
#include "broker/sys_topics.h"

#include <fmt/format.h>

#include <cmath>

namespace sb::broker {

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

void SysTopics::publish(MonoTime now, const Store& store) {
  using channel::Counter;
  using channel::Counters;
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
  std::uint64_t dropped =
      sum(&Counters::dropped_output_full) + sum(&Counters::dropped_queue_full) + sum(&Counters::dropped_too_large) +
      sum(&Counters::dropped_expired) + sum(&Counters::dropped_session_end) + sum(&Counters::dropped_no_member) +
      sum(&Counters::dropped_log_bound) + sum(&Counters::dropped_store_refused) + sum(&Counters::dropped_denied);
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
  put("retained messages/count", std::to_string(store.retained));
  put("store/state", store.unavailable.empty() ? "up" : "down: " + store.unavailable);
  // Why messages were dropped; names of our own.
  put("dropped/output_full", std::to_string(sum(&Counters::dropped_output_full)));
  put("dropped/queue_full", std::to_string(sum(&Counters::dropped_queue_full)));
  put("dropped/too_large", std::to_string(sum(&Counters::dropped_too_large)));
  put("dropped/expired", std::to_string(sum(&Counters::dropped_expired)));
  put("dropped/session_end", std::to_string(sum(&Counters::dropped_session_end)));
  put("dropped/no_member", std::to_string(sum(&Counters::dropped_no_member)));
  put("dropped/log_bound", std::to_string(sum(&Counters::dropped_log_bound)));
  put("dropped/denied", std::to_string(sum(&Counters::dropped_denied)));
  put("denied/publish", std::to_string(sum(&Counters::publishes_denied)));
  put("denied/subscribe", std::to_string(sum(&Counters::subscribes_denied)));
  put("dropped/store_refused", std::to_string(sum(&Counters::dropped_store_refused)));
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
