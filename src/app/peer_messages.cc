// SPDX-License-Identifier: MIT
#include "app/peer_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "admin/from_json.h"
#include "admin/json.h"
#include "base/json.h"
#include "base/json_members.h"

namespace sb::app {

namespace json = boost::json;
using admin::Answers;

namespace {

constexpr std::size_t kDepth = 16;
constexpr std::size_t kBody = 8 << 20;  // a page of clients with names of the worst kind is smaller

std::string value_text(json::object value) { return json::serialize(json::object{{"value", std::move(value)}}); }

std::int64_t count_ms(WallTime t) { return t.time_since_epoch().count(); }

/// `read` makes a value of an object.
template <class T, class F>
void add(const cluster::Requests::Answers& from, Answers<T>& to, F read) {
  for (auto& name : from.missing) to.silent.push_back(name);
  for (auto& a : from.answers) {
    const auto o = parse_message(a.body);
    if (o && flag_of(*o, "bad_cursor")) {
      to.problem = admin::Problem::bad_cursor;
    } else if (const std::string why = o ? text_of(*o, "error") : ""; !why.empty()) {
      to.refused.push_back({a.node, why});
    } else if (!o || !o->contains("value")) {
      to.refused.push_back({a.node, "its answer cannot be read: is it of another version?"});
    } else {
      to.nodes.push_back({a.node, read(object_of(*o, "value"))});
    }
  }
}

}  // namespace

// ---------------------------------------------------------------- questions

std::string clients_question(const admin::ClientQuery& q) {
  return json::serialize(json::object{{"limit", q.limit}, {"after", q.after}, {"filter", q.filter}});
}

admin::ClientQuery parse_clients_question(const json::object& o) {
  admin::ClientQuery q;
  q.limit = std::clamp<std::size_t>(number_of(o, "limit"), 1, admin::ClientQuery::kMostClients);
  q.after = text_of(o, "after");
  q.filter = text_of(o, "filter");
  return q;
}

std::string change_question(std::string_view what, std::string_view by, WallTime now) {
  return json::serialize(json::object{{"client_id", what}, {"by", by}, {"asked", count_ms(now)}});
}

std::string check_age(const json::object& question, WallTime now) {
  const auto asked = static_cast<std::int64_t>(number_of(question, "asked"));
  const auto age = count_ms(now) - asked, most = Millis(kTooLate).count();
  if (age <= most && age >= -most) return {};
  return fmt::format("this was asked {} s {} by the clock here: it came too late, or the clocks of the nodes differ",
                     std::abs(age) / 1000, age > 0 ? "ago" : "ahead");
}

// ---------------------------------------------------------------- answers

std::string refusal_text(std::string_view why) { return json::serialize(json::object{{"error", why}}); }

std::string answer_text(const std::string& node, const admin::NodeStatus& s) {
  return value_text(admin::to_json(node, s));
}

std::string answer_text(const std::string& node, const admin::ClientPage& p) {
  json::array clients;
  for (auto& c : p.clients) clients.emplace_back(admin::to_json(node, c));
  return value_text({{"clients", std::move(clients)}, {"next", p.next}});
}

std::string answer_text(const std::string&, bool kicked) { return value_text({{"kicked", kicked}}); }

std::string answer_text(const std::string& node, const admin::DrainState& s) {
  json::object o = admin::to_json(node, s);
  o["problem"] = s.problem;
  return value_text(std::move(o));
}

std::optional<json::object> parse_message(std::string_view body) {
  if (body.size() > kBody) return std::nullopt;
  auto v = parse_json(body, kDepth);
  if (!v || !v->is_object()) return std::nullopt;
  return std::move(v->get_object());
}

void add_answers(const cluster::Requests::Answers& from, Answers<admin::NodeStatus>& to) {
  add(from, to, [](const json::object& o) { return admin::node_status(o); });
}

void add_answers(const cluster::Requests::Answers& from, Answers<admin::ClientPage>& to) {
  add(from, to, [](const json::object& o) {
    admin::ClientPage page;
    for (auto& c : array_of(o, "clients"))
      if (const json::object* client = c.if_object()) page.clients.push_back(admin::client_info(*client));
    page.next = text_of(o, "next");
    return page;
  });
}

void add_answers(const cluster::Requests::Answers& from, Answers<bool>& to) {
  add(from, to, [](const json::object& o) { return flag_of(o, "kicked"); });
}

void add_answers(const cluster::Requests::Answers& from, Answers<admin::DrainState>& to) {
  add(from, to, [](const json::object& o) { return admin::drain_state(o); });
}

}  // namespace sb::app
