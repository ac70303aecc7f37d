// SPDX-License-Identifier: MIT
#include "store/redis_guarantee.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "redis/call.h"

namespace sb::store {

using Concern = redis::WriterOptions::Concern;

RedisSettings settings_of(const redis::Reply::View& answer) {
  RedisSettings all;
  for (auto at = answer.begin(); at != answer.end(); ++at) {
    std::string name((*at).text());
    if (++at == answer.end()) break;
    all[std::move(name)] = (*at).text();
  }
  return all;
}

namespace {
std::string value_of(const RedisSettings& s, std::string_view name) {
  const auto it = s.find(name);
  return it == s.end() ? "not known" : it->second;
}
}  // namespace

bool syncs_always(const RedisSettings& s) {
  return value_of(s, "appendonly") == "yes" && value_of(s, "appendfsync") == "always";
}

std::string acknowledgement_means(const redis::WriterOptions& o) {
  if (o.concern == Concern::fsync) return "the primary of Redis has it on its disk";
  if (o.concern == Concern::primary) return "the primary of Redis has it in its memory";
  return fmt::format("the primary of Redis and {} replica{} have it", o.replicas, o.replicas == 1 ? "" : "s");
}

std::vector<std::string> weaknesses(const redis::WriterOptions& o, const RedisSettings* settings,
                                    const redis::Replication& server) {
  std::vector<std::string> out;
  auto add = [&](std::string_view what) { out.push_back(fmt::format("redis {}: {}", server.address, what)); };
  if (o.concern == Concern::replica && server.role == "primary") {
    const unsigned follow = server.followers();
    if (follow == 0)
      add(o.degrade ? "no replica follows it, so that an acknowledgement means no more than that it has the message; "
                      "give it one"
                    : "no replica follows it, so that acknowledgements wait; give it one");
    else if (follow < o.replicas)
      add(fmt::format("{} of {} replicas follow it, so that acknowledgements wait; give it more", follow, o.replicas));
  }
  if (!settings) {
    add("how it is set is not known, since CONFIG GET is refused; allow it (ACL: +config|get)");
    return out;
  }
  auto value = [&](std::string_view name) { return value_of(*settings, name); };
  if (o.concern == Concern::fsync && !syncs_always(*settings))
    add(
        fmt::format("appendonly is {} and appendfsync {}, so that what is acknowledged may not be on the disk; set "
                    "them to yes and always",
                    value("appendonly"), value("appendfsync")));
  else if (value("appendonly") != "yes")
    add(
        fmt::format("appendonly is {}: restarted before a failover it comes back empty, and its replicas with it; set "
                    "it to yes",
                    value("appendonly")));
  if (value("maxmemory-policy") != "noeviction" && value("maxmemory") != "0")
    add(
        fmt::format("maxmemory-policy is {}: it may throw stored messages away when its memory is full; set it to "
                    "noeviction",
                    value("maxmemory-policy")));
  if (o.concern == Concern::replica && value("min-replicas-to-write") == "0")
    add("min-replicas-to-write is 0: cut off from its replicas it goes on taking writes; set it to 1, and "
        "min-replicas-max-lag to 2");
  return out;
}

RedisGuarantee::~RedisGuarantee() {
  *alive_ = false;
  writer_.loop().timers().cancel(*this);
}

void RedisGuarantee::on_timer() {
  const MonoTime now = writer_.loop().now();
  writer_.loop().timers().set(*this, now + kLook);
  std::map<std::string, Server> servers;
  std::map<std::string, std::uint16_t> slots;
  for (auto& [e, slot] : redis::primaries(writer_.client().topology())) {
    const std::string address = e.text();
    servers[address] = std::move(servers_[address]);
    slots[address] = slot;
  }
  servers_ = std::move(servers);
  for (auto& [address, slot] : slots) {
    Server& s = servers_[address];
    if (s.asked == MonoTime::min() || now - s.asked >= kAsk) ask(slot, address, s);
  }
  std::vector<std::string> weak;
  for (auto& r : watch_.servers()) {
    const auto s = servers_.find(r.address);
    if (s == servers_.end() || !s->second.known || !r.problem.empty()) continue;
    for (auto& why : weaknesses(writer_.options(), s->second.settings.get(), r)) weak.push_back(std::move(why));
  }
  for (auto& why : weak)
    if (std::find(weak_.begin(), weak_.end(), why) == weak_.end()) log::warn("{}", why);
  weak_ = std::move(weak);
}

void RedisGuarantee::ask(std::uint16_t slot, const std::string& address, Server& s) {
  redis::Connection* c = writer_.client().connection(slot, redis::kControl);
  if (!c) return;
  s.asked = writer_.loop().now();
  redis::call(*c, {"CONFIG", "GET", "*"}, [this, alive = alive_, address](redis::Outcome& o) {
    if (!*alive) return;
    const auto it = servers_.find(address);
    if (it == servers_.end()) return;
    if (o.done())
      it->second.settings = std::make_unique<RedisSettings>(settings_of(o.value()));
    else if (o.refused_as(redis::Refusal::no_permission) || o.refused_as(redis::Refusal::other))
      it->second.settings.reset();
    else
      return void(it->second.asked = MonoTime::min());  // not by its own will
    it->second.known = true;
  });
}

}  // namespace sb::store
