// SPDX-License-Identifier: MIT
#include "app/verify_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sb::app {

const char* name_of(Breach b) {
  switch (b) {
    case Breach::lost:
      return "lost";
    case Breach::duplicate:
      return "duplicate";
    case Breach::disorder:
      return "out of order";
    case Breach::forged:
      return "forged";
    case Breach::misrouted:
      return "misrouted";
    case Breach::wrong_qos:
      return "wrong QoS";
    case Breach::unanswered:
      return "unanswered";
  }
  return "";
}

std::string Finding::text() const {
  std::string to = subscriber == kNobody ? "" : fmt::format(", subscriber {}", subscriber);
  if (!detail.empty()) return fmt::format("{}: {}{}", name_of(breach), detail, to);
  return fmt::format("{}: publisher {}, topic {}, QoS {}, number {}{}", name_of(breach), message.publisher,
                     message.topic, message.qos, message.sequence, to);
}

bool VerifyLedger::fits(std::uint64_t publishers, std::uint64_t topics, std::uint64_t subscribers) {
  constexpr std::uint64_t pairs = 1ull << 26;  // 1 GiB of number sets
  std::uint64_t streams = publishers * topics * 2;
  return streams < 1ull << (64 - kSequenceBits) && streams * subscribers <= pairs;
}

VerifyLedger::VerifyLedger(std::uint32_t publishers, std::uint32_t topics, std::vector<Subscriber> subscribers)
    : publishers_(publishers),
      topics_(topics),
      subscribers_(std::move(subscribers)),
      streams_(std::size_t{publishers} * topics * 2),
      seen_(streams_.size() * subscribers_.size()) {}

MessageName VerifyLedger::next(std::uint32_t publisher, std::uint32_t topic, std::uint8_t qos) const {
  MessageName m{publisher, topic, qos, 0};
  m.sequence = streams_[stream(m)].sent;
  return m;
}

void VerifyLedger::send(const MessageName& m) {
  streams_[stream(m)].sent = m.sequence + 1;
  ++counts_.sent;
}

MessageName VerifyLedger::message(std::uint64_t token) const {
  auto s = static_cast<std::uint32_t>(token >> kSequenceBits);
  MessageName m;
  m.qos = static_cast<std::uint8_t>(s % 2 + 1);
  m.topic = s / 2 % topics_;
  m.publisher = s / 2 / topics_;
  m.sequence = token & ((1ull << kSequenceBits) - 1);
  return m;
}

void VerifyLedger::acknowledge(const MessageName& m) {
  if (streams_[stream(m)].acknowledged.insert(m.sequence) != NumberSet::Sight::again) ++counts_.acknowledged;
}

void VerifyLedger::refuse(const MessageName& m) {
  if (streams_[stream(m)].refused.insert(m.sequence) != NumberSet::Sight::again) ++counts_.refused;
}

void VerifyLedger::deliver(std::uint32_t subscriber, const MessageName& m, std::uint8_t qos) {
  if (m.publisher >= publishers_ || m.topic >= topics_ || m.qos < 1 || m.qos > 2 ||
      m.sequence >= streams_[stream(m)].sent)
    return note(Breach::forged, subscriber, m);
  const Subscriber& s = subscribers_[subscriber];
  if (s.copies[m.topic] == 0) return note(Breach::misrouted, subscriber, m);
  if (qos != std::min(m.qos, s.qos)) note(Breach::wrong_qos, subscriber, m);
  switch (seen_[subscriber * streams_.size() + stream(m)].insert(m.sequence)) {
    case NumberSet::Sight::late:
      if (!s.group) note(Breach::disorder, subscriber, m);
      [[fallthrough]];
    case NumberSet::Sight::in_order:
      ++counts_.delivered;
      return;
    case NumberSet::Sight::again:
      return repeat(subscriber, m);
  }
}

void VerifyLedger::repeat(std::uint32_t subscriber, const MessageName& m) {
  const Subscriber& s = subscribers_[subscriber];
  if (std::min(m.qos, s.qos) < 2) {
    ++counts_.repeated;
    return;
  }
  std::uint64_t place = subscriber * streams_.size() + stream(m);
  for (std::uint8_t copy = 1; copy < s.copies[m.topic]; ++copy) {
    if (copies_[place << 8 | copy].insert(m.sequence) == NumberSet::Sight::again) continue;
    ++counts_.copies;
    return;
  }
  note(Breach::duplicate, subscriber, m);
}

void VerifyLedger::forge(std::uint32_t subscriber, std::string detail) {
  note(Breach::forged, subscriber, {}, std::move(detail));
}

void VerifyLedger::close() {
  for (std::uint64_t s = 0; s < streams_.size(); ++s) {
    const Stream& t = streams_[s];
    MessageName m = message(s << kSequenceBits);
    t.acknowledged.for_each_missing(t.sent, [&](std::uint64_t n) {
      m.sequence = n;
      if (!t.refused.contains(n)) note(Breach::unanswered, Finding::kNobody, m);
    });
    for (std::uint32_t i = 0; i < subscribers_.size(); ++i) {
      if (subscribers_[i].copies[m.topic] == 0) continue;
      counts_.owed += t.acknowledged.size();
      seen_[i * streams_.size() + s].for_each_missing(t.acknowledged.end(), [&](std::uint64_t n) {
        m.sequence = n;
        if (t.acknowledged.contains(n)) note(Breach::lost, i, m);
      });
    }
  }
}

void VerifyLedger::note(Breach b, std::uint32_t subscriber, const MessageName& m, std::string detail) {
  if (counts_.breaches[static_cast<std::size_t>(b)]++ < kNamed)
    findings_.push_back({b, subscriber, m, std::move(detail)});
}

std::vector<std::string> complaints(const VerifyCounts& c) {
  std::vector<std::string> all;
  auto say = [&](std::uint64_t n, const char* what) {
    if (n) all.push_back(fmt::format("{} {}", n, what));
  };
  if (c.sent == 0) all.push_back("nothing was sent: nothing is proved");
  if (c.sent > 0 && c.acknowledged == 0) all.push_back("nothing was acknowledged: nothing is proved");
  if (c.acknowledged > 0 && c.delivered == 0) all.push_back("nothing was delivered");
  if (c.acknowledged > 0 && c.owed == 0) all.push_back("nobody had subscribed to anything: nothing is proved");
  say(c.of(Breach::lost), "deliveries of acknowledged messages never came");
  say(c.of(Breach::duplicate), "deliveries of QoS 2 came again");
  say(c.of(Breach::disorder), "deliveries came out of order");
  say(c.of(Breach::forged), "deliveries were never sent");
  say(c.of(Breach::misrouted), "deliveries came to a subscriber without a filter for them");
  say(c.of(Breach::wrong_qos), "deliveries had the wrong QoS");
  say(c.of(Breach::unanswered), "publishes were never answered");
  return all;
}

}  // namespace sb::app
