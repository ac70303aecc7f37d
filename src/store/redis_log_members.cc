// SPDX-License-Identifier: MIT
#include "store/redis_log_members.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include "model/topic.h"
#include "ports/log_store.h"
#include "ports/session_store.h"
#include "store/redis_session_image.h"

namespace sb::store {
namespace {

using Found = LogMembers::Found;

/// Fields and values of the record. `incarnation` 0: any.
Found found_in(const redis::Reply::View& fields, std::uint64_t incarnation, const std::string& filter) {
  SessionImage image;
  bool any = false;
  for (auto at = fields.begin(); at != fields.end(); ++at) {
    const std::string_view name = (*at).text();
    if (++at == fields.end()) break;
    any |= image.take(name, (*at).text());  // others are of the scripts
  }
  if (!any) return {true, {}};
  if (!image.complete()) return {};
  if (incarnation != 0 && image.incarnation() != incarnation) return {true, {}};
  const model::SessionRecord record = image.record();
  for (auto& s : record.subscriptions) {
    if (s.filter != filter) continue;
    if (s.options.qos > 0 && model::is_shared(filter)) return {true, model::Position{}};  // it holds its group's log
    if (!s.logged) continue;
    model::Position low = s.next;
    for (auto& o : record.outbound)
      if (o.filter == filter && o.position <= low) low = {o.position.generation, o.position.offset - 1};
    return {true, low};
  }
  return {true, {}};
}

}  // namespace

void LogMembers::look_up(const std::string& filter, std::string_view member, Millis within,
                         std::function<void(Found)> done) {
  std::string client;
  std::uint64_t incarnation = 0;
  if (member == ports::kGroupMember) {
    client = ports::SessionStore::group_session(filter);
  } else {
    const auto hash = member.rfind('#');
    if (hash == std::string_view::npos) return done({});
    client = member.substr(0, hash);
    const auto number = member.substr(hash + 1);
    std::from_chars(number.data(), number.data() + number.size(), incarnation);
    if (incarnation == 0) return done({});
  }
  const std::string key = keys_.session(client);
  call_(
      {"HGETALL", key}, key, within,
      [incarnation, filter, done = std::move(done)](redis::Outcome& o) {
        done(o.done() ? found_in(o.value(), incarnation, filter) : Found{});
      },
      redis::kReads);
}

}  // namespace sb::store
