// SPDX-License-Identifier: MIT
#include "redis/replication.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "redis/call.h"
#include "redis/slot_map.h"
#include "redis/writer.h"

namespace sb::redis {
namespace {

constexpr Millis kAnswer{2000};  // a connection ends with its first command that is late

std::uint64_t number(std::string_view s) {
  std::uint64_t n = 0;
  std::from_chars(s.data(), s.data() + s.size(), n);
  return n;
}

/// "ip=127.0.0.1,port=6380,state=online,offset=42,lag=0"
Replication::Replica parse_replica(std::string_view text, std::uint64_t primary_offset) {
  Replication::Replica r;
  Endpoint e;
  std::uint64_t offset = 0;
  while (!text.empty()) {
    const auto field = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), field.size() + 1));
    const std::size_t at = std::min(field.find('='), field.size());
    const auto name = field.substr(0, at), value = field.substr(std::min(at + 1, field.size()));
    if (name == "ip") e.host = value;
    if (name == "port") e.port = static_cast<std::uint16_t>(number(value));
    if (name == "state") r.state = value;
    if (name == "offset") offset = number(value);
    if (name == "lag") r.seconds = number(value);
  }
  r.address = e.text();
  r.behind = primary_offset > offset ? primary_offset - offset : 0;
  return r;
}

bool is_replica_line(std::string_view name) {
  return name.starts_with("slave") && name.size() > 5 && name[5] >= '0' && name[5] <= '9';
}

}  // namespace

unsigned Replication::followers() const {
  return static_cast<unsigned>(std::count_if(replicas.begin(), replicas.end(), [](const Replica& r) {
    return r.state == "online" && Seconds(r.seconds) <= kFollows;
  }));
}

Replication parse_replication(std::string_view info) {
  Replication out;
  std::uint64_t offset = 0;
  std::vector<std::string_view> replicas;
  while (!info.empty()) {
    auto line = info.substr(0, info.find('\n'));
    info.remove_prefix(std::min(info.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    const auto name = line.substr(0, colon), value = line.substr(colon + 1);
    if (name == "role") out.role = value == "master" ? "primary" : "replica";
    if (name == "master_replid") out.history = value;
    if (name == "master_repl_offset") offset = number(value);
    if (is_replica_line(name)) replicas.push_back(value);
  }
  for (auto r : replicas) out.replicas.push_back(parse_replica(r, offset));
  return out;
}

std::map<Endpoint, std::uint16_t> primaries(const Topology& t) {
  std::map<Endpoint, std::uint16_t> out;
  const Endpoint* last = nullptr;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const Endpoint* e = t.primary(static_cast<std::uint16_t>(slot));
    if (e && e != last) out.emplace(*e, static_cast<std::uint16_t>(slot));
    last = e;
  }
  return out;
}

ReplicationWatch::~ReplicationWatch() {
  *alive_ = false;
  loop_.timers().cancel(*this);
}

void ReplicationWatch::on_timer() {
  const auto primaries = redis::primaries(client_.topology());
  std::vector<Replication> now;
  for (auto& [e, slot] : primaries) {
    const std::string address = e.text();
    const auto before = std::find_if(servers_.begin(), servers_.end(), [&](auto& s) { return s.address == address; });
    Replication r;
    r.address = address;
    if (before != servers_.end()) r = std::move(*before);
    now.push_back(std::move(r));
  }
  servers_ = std::move(now);
  bool asked = !primaries.empty();
  for (auto& [e, slot] : primaries) asked &= ask(slot, e);
  loop_.timers().set(*this, loop_.now() + (asked ? kEvery : kSoon));
}

/// False when it cannot be asked now.
bool ReplicationWatch::ask(std::uint16_t slot, const Endpoint& e) {
  const auto done = [this, alive = alive_, address = e.text()](Outcome& o) {
    if (*alive) answered(address, o);
  };
  if (Connection* c = client_.connection(slot, kControl)) {
    call(*c, {"INFO", "replication"}, done, kAnswer);
    return true;
  }
  Outcome o{Outcome::Kind::not_sent, Refusal::other, nullptr, make_error_code(errc::not_connected)};
  done(o);
  return false;
}

void ReplicationWatch::answered(const std::string& address, Outcome& o) {
  for (auto& s : servers_) {
    if (s.address != address) continue;
    s = o.done() ? parse_replication(o.value().text()) : Replication{};
    s.address = address;
    if (!o.done()) s.problem = o.text();
  }
}

}  // namespace sb::redis
