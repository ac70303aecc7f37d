// SPDX-License-Identifier: MIT
#include "redis/sentinel.h"

#include <algorithm>
#include <utility>

namespace sb::redis {
namespace {

constexpr Millis kInterval{500};  // between questions
constexpr Millis kAnswer{1000};   // for an answer

}  // namespace

bool SentinelVotes::say(std::size_t sentinel, std::optional<Endpoint> primary) {
  votes_[sentinel] = std::move(primary);
  const auto& named = votes_[sentinel];
  if (!named || named == primary_) return false;
  const auto same = static_cast<std::size_t>(std::count(votes_.begin(), votes_.end(), named));
  if (same * 2 <= votes_.size()) return false;
  primary_ = named;
  return true;
}

SentinelTopology::SentinelTopology(io::EventLoop& loop, std::vector<Endpoint> sentinels, std::string group,
                                   const Options& options, Listener& listener)
    : loop_(loop), group_(std::move(group)), listener_(listener), votes_(sentinels.size()) {
  // Sentinels have no databases, and often no password.
  auto o = std::make_shared<Options>();
  o->username = options.username;
  o->password = options.password;
  o->password_optional = true;
  o->client_name = options.client_name;
  o->tls = options.tls;
  o->connect_timeout = o->command_timeout = kAnswer;
  o->pause_max = kInterval;
  for (std::size_t i = 0; i < sentinels.size(); ++i) {
    peers_.push_back(std::make_unique<Peer>(*this, i));
    peers_[i]->connection = Connection::make(loop, std::move(sentinels[i]), o, peers_[i].get());
  }
}

SentinelTopology::~SentinelTopology() { loop_.timers().cancel(*this); }

void SentinelTopology::start() {
  for (auto& p : peers_) p->connection->start();
  loop_.timers().set(*this, loop_.now() + kInterval);
}

void SentinelTopology::on_timer() {
  ask_all();
  loop_.timers().set(*this, loop_.now() + kInterval);
}

void SentinelTopology::ask_all() {
  for (auto& p : peers_) p->ask();
}

void SentinelTopology::heard(std::size_t sentinel, std::optional<Endpoint> primary) {
  if (votes_.say(sentinel, std::move(primary))) {
    log::info("redis primary group={} peer={}", group_, votes_.primary()->text());
    listener_.on_topology();
  }
}

void SentinelTopology::Peer::ask() {
  if (asked || !connection || !connection->up()) return;
  asked = !connection->command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", topology.group_}, *this);
}

void SentinelTopology::Peer::on_down(Connection&, error_code, const std::string&) {
  topology.heard(index, std::nullopt);
}

void SentinelTopology::Peer::on_outcome(Outcome& outcome, std::uint64_t) {
  asked = false;
  if (outcome.kind == Outcome::Kind::unknown || outcome.kind == Outcome::Kind::not_sent) return;
  const auto port = outcome.value()[1].integer();
  std::optional<Endpoint> primary;
  if (port && *port > 0 && *port <= 65535)
    primary = Endpoint{std::string(outcome.value()[0].text()), static_cast<std::uint16_t>(*port), ""};
  else if (topology.log_limit_.pass())
    log::warn("redis sentinel peer={} knows no primary of the group {} answer=\"{}\"", connection->endpoint().text(),
              topology.group_, outcome.text());
  topology.heard(index, std::move(primary));
}

}  // namespace sb::redis
