// SPDX-License-Identifier: MIT
#include "app/ctl_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/report_text.h"

namespace sb::app {

namespace json = boost::json;

namespace {

std::size_t characters(std::string_view s) {
  return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string listeners_text(const json::array& listeners) {
  std::string out;
  for (auto& item : listeners) {
    const json::object* l = item.if_object();
    if (!l) continue;
    const std::string state =
        flag_of(*l, "open") ? fmt::format("{}", number_of(*l, "connections")) : std::string("closed");
    out += fmt::format("{}{} {} ({})", out.empty() ? "" : ", ", text_of(*l, "kind"), text_of(*l, "address"), state);
  }
  return out;
}

/// "950 B", "1.5 MiB".
std::string bytes_text(std::uint64_t n) {
  constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (n < 1024) return fmt::format("{} B", n);
  double v = static_cast<double>(n) / 1024;
  std::size_t unit = 0;
  for (; v >= 1024 && unit + 1 < std::size(units); ++unit) v /= 1024;
  return fmt::format("{:.1f} {}", v, units[unit]);
}

std::string seconds_text(std::uint64_t ms) { return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000); }

/// Calls `f` with each object of a list.
template <class F>
void each(const json::array& list, F f) {
  for (auto& item : list)
    if (const json::object* o = item.if_object()) f(*o);
}

std::string members_text(const json::array& members) {
  std::string out;
  each(members, [&](const json::object& m) {
    out += fmt::format("{}{} (epoch {}", out.empty() ? "" : ", ", text_of(m, "node"), number_of(m, "epoch"));
    if (const auto waiting = number_of(m, "waiting")) out += fmt::format(", {} wait for Redis", bytes_text(waiting));
    if (const auto unread = number_of(m, "unread")) out += fmt::format(", up to {} unread", bytes_text(unread));
    out += ')';
  });
  return out.empty() ? "no others" : out;
}

std::string lost_text(const json::array& lost) {
  std::string out;
  for (auto& item : lost)
    if (const auto* name = item.if_string()) out.append(out.empty() ? "; lost: " : ", ").append(*name);
  return out;
}

std::string replicas_text(const json::array& replicas) {
  std::string out;
  each(replicas, [&](const json::object& r) {
    out +=
        fmt::format("{}{} ({}, {} behind, heard {} s ago)", out.empty() ? "; replicas " : ", ", text_of(r, "address"),
                    text_of(r, "state"), bytes_text(number_of(r, "behind")), number_of(r, "seconds"));
  });
  return out.empty() ? "; no replicas" : out;
}

/// What a node says of itself among others.
void add_cluster(const json::object& n, ReportTable& t) {
  const auto& c = object_of(n, "cluster");
  const auto& bus = object_of(c, "bus");
  const auto& routes = object_of(c, "routes");
  const auto& logs = object_of(n, "logs");
  const auto lease = number_of(c, "lease");
  const auto epoch = number_of(c, "epoch");
  t.line("cluster", "{}, {}, {}{}", text_of(c, "name"),
         flag_of(c, "member") ? fmt::format("member with epoch {}", epoch) : "not a member",
         lease > 0 ? "lease for " + seconds_text(lease) : "no lease",
         flag_of(c, "fresh") ? "" : ", holds acknowledgements back");
  t.line("members", "{}{}", members_text(array_of(c, "members")), lost_text(array_of(c, "lost")));
  t.line("routes", "{} filters wanted here, {} elsewhere", number_of(routes, "own"), number_of(routes, "others"));
  t.line("bus", "{}, {} messages sent, {} received, {} dropped, {} gaps",
         bus.contains("heard") && bus.at("heard").is_number()
             ? fmt::format("read {} ago", seconds_text(number_of(bus, "heard")))
             : "never read",
         number_of(bus, "sent"), number_of(bus, "received"), number_of(bus, "dropped"), number_of(bus, "gaps"));
  const auto oldest = number_of(logs, "oldest");
  t.line("logs", "{} with {} messages, {}; {} wait for Redis{}", number_of(logs, "count"), number_of(logs, "messages"),
         bytes_text(number_of(logs, "bytes")), bytes_text(number_of(logs, "waiting")),
         oldest > 0 ? ", the oldest request for " + seconds_text(oldest) : "");
  const auto& redis = array_of(n, "redis");
  if (redis.empty()) t.line("redis", "no primary is known");
  each(redis, [&](const json::object& r) {
    const std::string problem = text_of(r, "reason");
    const std::string role = text_of(r, "role");
    t.line("redis", "{}{}", text_of(r, "address"),
           !problem.empty() ? ": " + problem
           : role.empty()   ? ""
                            : ", " + role + replicas_text(array_of(r, "replicas")));
  });
  const auto& acknowledgement = object_of(n, "acknowledgement");
  if (const std::string means = text_of(acknowledgement, "means"); !means.empty()) t.line("ack means", "{}", means);
  for (auto& why : array_of(acknowledgement, "weak"))
    if (why.is_string()) t.line("", "but {}", std::string_view(why.get_string()));
}

std::string node_text(const json::object& n) {
  ReportTable t;
  const auto& store = object_of(n, "store");
  const auto& memory = object_of(n, "memory");
  const auto& messages = object_of(n, "messages");
  t.line("node", "{}, version {}, up {}", text_of(n, "node"), text_of(n, "version"),
         duration_text(number_of(n, "uptime")));
  t.line("state", "{}", text_of(n, "state"));
  const std::string reason = text_of(store, "reason");
  t.line("store", "{}, {}{}", text_of(store, "kind"), text_of(store, "state"), reason.empty() ? "" : ": " + reason);
  t.line("clients", "{} on {} connections, {} subscriptions", number_of(n, "clients"), number_of(n, "connections"),
         number_of(n, "subscriptions"));
  t.line("messages", "{} received, {} sent, {} retained", number_of(messages, "received"), number_of(messages, "sent"),
         number_of(n, "retained"));
  t.line("memory", "{:.1f} MiB{}", static_cast<double>(number_of(memory, "bytes")) / (1 << 20),
         flag_of(memory, "full") ? ", full: new work is refused" : "");
  t.line("listeners", "{}", listeners_text(array_of(n, "listeners")));
  if (n.contains("cluster")) add_cluster(n, t);
  return t.text();
}

}  // namespace

// ---------------------------------------------------------------- texts

std::string shown(std::string_view name) {
  std::string out(name);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto c = static_cast<unsigned char>(out[i]);
    const bool c1 = c == 0xC2 && i + 1 < out.size() && static_cast<unsigned char>(out[i + 1]) < 0xA0;
    if (c1) out.erase(i + 1, 1);
    if (c1 || c < 0x20 || c == 0x7F) out[i] = '?';
  }
  return out;
}

void ColumnTable::add(std::vector<std::string> row) {
  widths_.resize(std::max(widths_.size(), row.size()));
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = shown(row[i]);
    widths_[i] = std::max(widths_[i], characters(row[i]));
  }
  rows_.push_back(std::move(row));
}

std::string ColumnTable::text() const {
  std::string out;
  for (auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths_[i] - characters(row[i]) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string duration_text(std::uint64_t seconds) {
  struct Unit {
    std::uint64_t seconds;
    const char* name;
  };
  constexpr Unit units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
  for (std::size_t i = 0; i < 3; ++i) {
    if (seconds < units[i].seconds) continue;
    return fmt::format("{} {} {} {}", seconds / units[i].seconds, units[i].name,
                       seconds % units[i].seconds / units[i + 1].seconds, units[i + 1].name);
  }
  return fmt::format("{} s", seconds);
}

std::string status_text(const json::object& status) {
  std::string out;
  for (auto& item : array_of(status, "nodes"))
    if (const json::object* n = item.if_object()) out += (out.empty() ? "" : "\n") + node_text(*n);
  const std::string missing = missing_text(status, "\n");
  if (!missing.empty()) out += (out.empty() ? "" : "\n") + missing + '\n';
  return out;
}

std::string clients_text(const json::array& clients) {
  ColumnTable t({"CLIENT", "USER", "ADDRESS", "PROTOCOL", "NODE", "SESSION", "SINCE", "SUBSCRIPTIONS", "IN FLIGHT"});
  for (auto& item : clients) {
    const json::object* c = item.if_object();
    if (!c) continue;
    const std::string user = text_of(*c, "username");
    t.add({text_of(*c, "client_id"), user.empty() ? "-" : user, text_of(*c, "address"), text_of(*c, "protocol"),
           text_of(*c, "node"), text_of(*c, "session"), text_of(*c, "connected_since"),
           std::to_string(number_of(*c, "subscriptions")), std::to_string(number_of(*c, "in_flight"))});
  }
  return t.text();
}

std::string missing_text(const json::object& answer, std::string_view between) {
  std::string out;
  auto add = [&](std::string_view node, std::string_view why) {
    out += fmt::format("{}{}: {}", out.empty() ? "" : between, shown(node), shown(why));
  };
  for (auto& item : array_of(answer, "silent"))
    if (const auto* name = item.if_string()) add(*name, "no answer");
  each(array_of(answer, "refused"), [&](const json::object& r) { add(text_of(r, "node"), text_of(r, "reason")); });
  return out;
}

}  // namespace sb::app
