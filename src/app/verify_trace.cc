// SPDX-License-Identifier: MIT
#include "app/verify_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace sb::app {

std::uint32_t VerifyJournal::add_client(std::string id) {
  clients_.push_back({std::move(id), {}});
  return static_cast<std::uint32_t>(clients_.size() - 1);
}

void VerifyJournal::opened(std::uint32_t client, std::uint32_t node, Moment at) {
  clients_[client].links.push_back({node, at, 0});
}

void VerifyJournal::closed(std::uint32_t client, Moment at) { clients_[client].links.back().until = at; }

std::string VerifyJournal::time(Moment m) const {
  auto at = std::chrono::duration_cast<std::chrono::milliseconds>(began_.time_since_epoch()).count() + m;
  std::time_t seconds = at / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:03}Z", text, at % 1000);
}

std::string VerifyJournal::whereabouts(std::uint32_t client, Moment at) const {
  const auto& all = links(client);
  auto next = std::ranges::upper_bound(all, at, {}, &Link::from);
  std::string text;
  if (next != all.begin()) {
    const Link& l = *(next - 1);
    text = fmt::format("at {} from {}", node(l.node), time(l.from));
    if (l.until) text += fmt::format(" to {}", time(l.until));
  }
  if (next != all.end())
    text += fmt::format("{}at {} from {}", text.empty() ? "" : ", then ", node(next->node), time(next->from));
  return text.empty() ? "never connected" : text;
}

std::string VerifyJournal::last_move(std::uint32_t client) const {
  const auto& all = links(client);
  return whereabouts(client, all.size() < 2 ? 0 : all[all.size() - 2].from);
}

namespace {

std::string connection(const VerifyJournal& journal, std::uint32_t client, std::uint32_t number) {
  const auto& links = journal.links(client);
  if (number >= links.size()) return fmt::format("connection {}", number);
  return fmt::format("connection {} to {} (since {})", number, journal.node(links[number].node),
                     journal.time(links[number].from));
}

}  // namespace

std::string trace(const Finding& f, const VerifyLedger& ledger, const VerifyJournal& journal, const VerifyCast& cast,
                  const VerifyWire& wire) {
  std::string text = f.text();
  Moment moment = f.at;
  if (f.at) text += fmt::format("; noticed {}", journal.time(f.at));
  if (f.named) {
    const MessageRecord& r = ledger.record(f.message);
    std::uint32_t publisher = cast.first_publisher + f.message.publisher;
    text += fmt::format("; topic {}, sent by {} at {} on {}", wire.topic(f.message.topic), journal.id(publisher),
                        journal.time(r.sent), connection(journal, publisher, r.first));
    if (r.last != r.first) text += fmt::format(", at last on {}", connection(journal, publisher, r.last));
    text += r.acknowledged ? fmt::format(", acknowledged {}", journal.time(r.acknowledged)) : ", not acknowledged";
    if (moment == 0) moment = r.acknowledged ? r.acknowledged : r.sent;
  }
  if (f.subscriber < cast.groups_from)
    text += fmt::format("; subscriber {} was {}", journal.id(f.subscriber), journal.whereabouts(f.subscriber, moment));
  else if (f.subscriber != Finding::kNobody)
    text += "; the subscriber is a shared group";
  return text;
}

}  // namespace sb::app
