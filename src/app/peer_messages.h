// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/control.h"
#include "cluster/requests.h"

/// What nodes ask each other for their operators, and answer: bodies of Cluster::ask, JSON objects. A question is a
/// kind ("status", "clients", "kick", "drain", "undrain") and its parameters; an answer has `value`, or `error` for
/// people, or `bad_cursor`. Names that a version does not know do no harm.
namespace sb::app {

/// Beyond it, what would change something is refused: it waited in Redis, and who asked has long been told that nobody
/// answered. Clocks that differ by as much have the same effect.
inline constexpr Seconds kTooLate{10};

std::string clients_question(const admin::ClientQuery& q);
admin::ClientQuery parse_clients_question(const boost::json::object& o);
/// Of what changes something: `what` is the client id of a kick; `by` the node that asks.
std::string change_question(std::string_view what, std::string_view by, WallTime now);
/// Why it is not done now, "" = it may be.
std::string check_age(const boost::json::object& question, WallTime now);

std::string refusal_text(std::string_view why);
std::string answer_text(const std::string& node, const admin::NodeStatus& s);
std::string answer_text(const std::string& node, const admin::ClientPage& p);
std::string answer_text(const std::string& node, bool kicked);
std::string answer_text(const std::string& node, const admin::DrainState& s);
/// What came of a question to this node alone.
template <class T>
std::string answer_text(const admin::Answers<T>& a) {
  if (a.problem == admin::Problem::bad_cursor) return R"({"bad_cursor":true})";
  if (a.nodes.empty()) return refusal_text("a shard does not answer");
  return answer_text(a.nodes.front().node, a.nodes.front().value);
}

/// The object of a body, nothing when it is none.
std::optional<boost::json::object> parse_message(std::string_view body);
/// Adds to `to` what other nodes have answered.
void add_answers(const cluster::Requests::Answers& from, admin::Answers<admin::NodeStatus>& to);
void add_answers(const cluster::Requests::Answers& from, admin::Answers<admin::ClientPage>& to);
void add_answers(const cluster::Requests::Answers& from, admin::Answers<bool>& to);
void add_answers(const cluster::Requests::Answers& from, admin::Answers<admin::DrainState>& to);

}  // namespace sb::app
