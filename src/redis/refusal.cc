// SPDX-License-Identifier: MIT
#include "redis/refusal.h"

#include <charconv>

namespace sb::redis {
namespace {

struct Entry {
  std::string_view beginning;
  Refusal refusal;
};
constexpr Entry kCodes[] = {
    {"READONLY", Refusal::read_only},
    {"NOREPLICAS", Refusal::no_replicas},
    {"EXECABORT", Refusal::exec_abort},
    {"LOADING", Refusal::loading},
    {"MASTERDOWN", Refusal::primary_down},
    {"NOSCRIPT", Refusal::no_script},
    {"UNBLOCKED", Refusal::unblocked},
    {"MOVED", Refusal::moved},
    {"ASK", Refusal::ask},
    {"TRYAGAIN", Refusal::try_again},
    {"CLUSTERDOWN", Refusal::cluster_down},
    {"CROSSSLOT", Refusal::cross_slot},
    {"OOM", Refusal::out_of_memory},
    {"BUSY", Refusal::busy},
    {"NOPERM", Refusal::no_permission},
    {"NOAUTH", Refusal::not_logged_in},
    {"WRONGPASS", Refusal::not_logged_in},
    {"MISCONF", Refusal::misconfigured},
};
constexpr Entry kTexts[] = {
    {"ERR The ID specified in XADD is equal or smaller than the target stream top item", Refusal::id_not_above},
    {"ERR WAIT cannot be used with replica instances", Refusal::not_a_primary},
};

/// What a command in a script was refused with, in the form of Redis 6; other texts stay as they are.
std::string_view within_script(std::string_view error) {
  if (!error.starts_with("ERR Error running script")) return error;
  const std::size_t end = error.find("): ");
  if (end == error.npos) return error;
  error.remove_prefix(end + 3);
  while (error.starts_with("@user_script:")) {  // once or twice, with the line
    const std::size_t colon = error.find(": ", error.find(':') + 2);
    if (colon == error.npos) return error;
    error.remove_prefix(colon + 2);
  }
  if (error.starts_with('-')) error.remove_prefix(1);
  return error;
}

}  // namespace

Refusal classify(std::string_view error) {
  error = within_script(error);
  const std::string_view code = error.substr(0, error.find(' '));
  for (const Entry& e : kCodes)
    if (code == e.beginning) return e.refusal;
  for (const Entry& e : kTexts)
    if (error.starts_with(e.beginning)) return e.refusal;
  return Refusal::other;
}

std::optional<Redirect> redirect_of(std::string_view error) {
  const std::size_t before_slot = error.find(' ');
  const std::size_t before_host = error.find(' ', before_slot + 1);
  if (before_slot == error.npos || before_host == error.npos) return std::nullopt;
  const std::string_view slot = error.substr(before_slot + 1, before_host - before_slot - 1);
  std::string_view where = error.substr(before_host + 1);
  where = where.substr(0, where.find(' '));  // of a script there may be more
  const std::size_t colon = where.rfind(':');
  Redirect r;
  if (colon == where.npos) return std::nullopt;
  r.to.host = where.substr(0, colon);
  const std::string_view port = where.substr(colon + 1);
  auto read = [](std::string_view text, std::uint16_t& n) {
    return std::from_chars(text.data(), text.data() + text.size(), n).ec == std::errc();
  };
  if (!read(slot, r.slot) || !read(port, r.to.port)) return std::nullopt;
  return r;
}

}  // namespace sb::redis
