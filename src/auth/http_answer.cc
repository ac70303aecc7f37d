// SPDX-License-Identifier: MIT
#include "auth/http_answer.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <cmath>

#include "base/json.h"
#include "base/utf8.h"

namespace sb::auth {
namespace {

namespace json = boost::json;
using Result = HttpAnswer::Result;

constexpr std::size_t kMaxDepth = 16, kMaxUsername = 65535;
constexpr double kMaxSeconds = 10.0 * 365 * 24 * 3600;

std::string_view view(const json::string& s) { return {s.data(), s.size()}; }

/// Each takes a member, if it is there; false when it is not of its type.
bool take(const json::object& from, std::string_view name, bool& to) {
  const json::value* v = from.if_contains(name);
  if (v && v->is_bool()) to = v->get_bool();
  return !v || v->is_bool();
}

bool take(const json::object& from, std::string_view name, std::string_view& to) {
  const json::value* v = from.if_contains(name);
  if (v && v->is_string()) to = view(v->get_string());
  return !v || v->is_string();
}

bool take(const json::object& from, std::string_view name, double least, std::optional<Seconds>& to) {
  const json::value* v = from.if_contains(name);
  if (!v) return true;
  if (!v->is_number()) return false;
  const double seconds = v->to_number<double>();
  if (!(seconds >= least && seconds <= kMaxSeconds)) return false;
  to = Seconds(static_cast<long>(std::floor(seconds)));
  return true;
}

bool take_result(std::string_view text, Result& to) {
  if (text == "allow") return to = Result::allow, true;
  if (text == "deny") return to = Result::deny, true;
  if (text == "ignore") return to = Result::ignore, true;
  return false;
}

/// What is wrong with an answer, "" = nothing.
std::string_view read(HttpAsked asked, const json::object& from, HttpAnswer& to) {
  const bool rights = asked == HttpAsked::rights;
  std::string_view result = rights ? "allow" : "", username;
  bool superuser = false;
  if (!take(from, "result", result) || !take_result(result, to.result))
    return "result is none of allow, deny and ignore";
  if (rights && to.result == Result::ignore) return "result is ignore, where only allow and deny mean something";
  if (!take(from, "username", username) || username.size() > kMaxUsername || !is_mqtt_utf8(username))
    return "username is no text for MQTT";
  to.username = username;
  if (!take(from, "superuser", superuser)) return "superuser is neither true nor false";
  if (!take(from, "expires_in", 1, to.ends)) return "expires_in is no number of seconds from 1 on";
  if (!take(from, "ttl", 0, to.good_for)) return "ttl is no number of seconds";
  if (const json::value* acl = from.if_contains("acl")) {
    to.rights = DocumentRights::parse(*acl);
    if (!to.rights) return "acl is not understood";
  }
  if (superuser) to.rights = DocumentRights::everything();
  if (rights && to.result == Result::allow && !to.rights) return "it has neither acl nor superuser";
  return {};
}

}  // namespace

std::optional<HttpAnswer> parse_http_answer(HttpAsked asked, unsigned status, std::string_view body, std::string& why) {
  HttpAnswer answer;
  if (status == 401 || status == 403) return answer;
  if (status != 200 && status != 204) {
    why = fmt::format("status {}", status);
    return std::nullopt;
  }
  if (body.empty()) {
    answer.result = Result::allow;
    if (asked == HttpAsked::login) return answer;
    why = "it has no document with rights";
    return std::nullopt;
  }
  const auto value = parse_json(body, kMaxDepth);
  why = value && value->is_object() ? read(asked, value->get_object(), answer) : "it is no JSON object";
  if (!why.empty()) return std::nullopt;
  return answer;
}

}  // namespace sb::auth
