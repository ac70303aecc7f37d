// SPDX-License-Identifier: MIT
#include "store/redis_check.h"

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <utility>

#include "store/redis_guarantee.h"
#include "store/redis_keys.h"

namespace sb::store {
namespace {

using redis::Outcome;

/// The value of a line `name:value` of INFO.
std::string_view info(std::string_view text, std::string_view name) {
  for (std::size_t at = 0; (at = text.find(name, at)) != std::string_view::npos; at += name.size()) {
    if ((at > 0 && text[at - 1] != '\n') || !text.substr(at + name.size()).starts_with(':')) continue;
    const auto value = text.substr(at + name.size() + 1);
    return value.substr(0, value.find_first_of("\r\n"));
  }
  return {};
}

bool version_below(std::string_view version, int major, int minor) {
  int has_major = 0, has_minor = 0;
  auto dot = std::from_chars(version.data(), version.data() + version.size(), has_major).ptr;
  if (dot != version.data() + version.size()) std::from_chars(dot + 1, version.data() + version.size(), has_minor);
  return std::pair(has_major, has_minor) < std::pair(major, minor);
}

/// Why `fsync` cannot be promised, "" = it can. `config` null: CONFIG GET is refused.
std::string judge_fsync(const RedisSettings* config) {
  if (!config)
    return "store.write_concern: fsync needs to know that Redis has appendfsync = always, and CONFIG GET is refused: "
           "allow it (ACL: +config|get), or choose replica";
  if (!syncs_always(*config))
    return "store.write_concern: fsync needs a Redis with appendonly = yes and appendfsync = always; set them, or "
           "choose replica or primary";
  return {};
}

}  // namespace

void check_redis(redis::Client& client, const RedisOptions& options, std::function<void(std::string, bool)> done) {
  const std::string key = RedisKeys(options.prefix, options.cluster).logs(0);
  client.call({"INFO", "server"}, key, options.wait, [&client, options, key, done = std::move(done)](Outcome& o) {
    if (!o.done()) {
      const bool forbidden = o.refused_as(redis::Refusal::no_permission);
      const bool said = forbidden || o.refused_as(redis::Refusal::other);
      return done(fmt::format("cannot {} Redis at {}: {}{}", said ? "use" : "reach", options.url.text(), o.text(),
                              forbidden ? "; allow it (ACL: +info)" : ""),
                  !said);
    }
    const auto version = info(o.value().text(), "redis_version");
    if (version_below(version, 6, 2))
      return done(fmt::format("Redis {} is too old: 6.2 or later is needed", version), false);
    if (options.concern != RedisOptions::Concern::fsync) return done({}, false);
    client.call({"CONFIG", "GET", "*"}, key, options.wait, [done](Outcome& config) {
      if (!config.done()) return done(judge_fsync(nullptr), false);
      const RedisSettings settings = settings_of(config.value());
      done(judge_fsync(&settings), false);
    });
  });
}

}  // namespace sb::store
