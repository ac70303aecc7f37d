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
  return t.text();
}

}  // namespace

// ---------------------------------------------------------------- members

std::string text_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

std::uint64_t number_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v && v->is_uint64()) return v->get_uint64();
  return v && v->is_int64() && v->get_int64() > 0 ? static_cast<std::uint64_t>(v->get_int64()) : 0;
}

bool flag_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v && v->is_bool() && v->get_bool();
}

const json::object& object_of(const json::object& o, std::string_view name) {
  static const json::object none;
  const auto* v = o.if_contains(name);
  return v && v->is_object() ? v->get_object() : none;
}

const json::array& array_of(const json::object& o, std::string_view name) {
  static const json::array none;
  const auto* v = o.if_contains(name);
  return v && v->is_array() ? v->get_array() : none;
}

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

std::string silent_text(const json::object& answer) {
  std::string out;
  for (auto& item : array_of(answer, "silent"))
    if (const auto* name = item.if_string()) out.append(out.empty() ? "" : ", ").append(*name);
  return out;
}

}  // namespace sb::app
