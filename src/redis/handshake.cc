// SPDX-License-Identifier: MIT
#include "redis/handshake.h"

#include <fmt/format.h>

namespace sb::redis {
namespace {

std::string_view name_of(HandshakeStep::Kind kind) {
  switch (kind) {
    case HandshakeStep::Kind::auth:
      return "AUTH";
    case HandshakeStep::Kind::select:
      return "SELECT";
    case HandshakeStep::Kind::name:
      return "CLIENT SETNAME";
    case HandshakeStep::Kind::script:
      return "SCRIPT LOAD";
    case HandshakeStep::Kind::role:
      return "ROLE";
  }
  return {};
}

}  // namespace

std::vector<HandshakeStep> handshake_steps(const Options& o) {
  using Kind = HandshakeStep::Kind;
  std::vector<HandshakeStep> steps;
  if (!o.password.empty()) {
    auto& words = steps.emplace_back(HandshakeStep{Kind::auth, {"AUTH"}, {}}).words;
    if (!o.username.empty()) words.push_back(o.username);
    words.push_back(o.password);
  }
  if (o.db != 0) steps.push_back({Kind::select, {"SELECT"}, std::to_string(o.db)});
  steps.push_back({Kind::name, {"CLIENT", "SETNAME", o.client_name}, {}});
  for (auto& script : o.scripts) steps.push_back({Kind::script, {"SCRIPT", "LOAD", script->source}, {}});
  if (o.primary_only) steps.push_back({Kind::role, {"ROLE"}, {}});
  return steps;
}

error_code judge(const HandshakeStep& step, const Options& options, const Outcome& outcome, std::string& detail) {
  using Kind = HandshakeStep::Kind;
  if (outcome.done()) {
    if (step.kind != Kind::role || outcome.value()[0].text() == "master") return {};
    detail = fmt::format("its role is {}", outcome.value()[0].text());
    return make_error_code(errc::wrong_role);
  }
  const std::string_view words = outcome.value().text();
  // A name is for the eyes of who runs Redis, and worth no right.
  if (step.kind == Kind::name && outcome.refusal == Refusal::no_permission) return {};
  // "ERR AUTH <password> called without any password configured for the default user"
  if (step.kind == Kind::auth && options.password_optional && words.starts_with("ERR AUTH")) return {};
  detail = fmt::format("{}: {}", name_of(step.kind), words);
  if (step.kind != Kind::auth && options.password.empty() && outcome.refusal == Refusal::not_logged_in)
    detail += " (the URL has no password)";
  return make_error_code(errc::handshake_refused);
}

}  // namespace sb::redis
