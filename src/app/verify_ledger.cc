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
    case Breach::lost_volatile:
      return "lost by a volatile subscriber";
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
    case Breach::forgotten:
      return "forgotten session";
  }
  return "";
}

std::string Finding::text() const {
  std::string what = name_of(breach);
  what += ": ";
  if (named)
    what += fmt::format("publisher {}, topic {}, QoS {}, number {}", message.publisher, message.topic, message.qos,
                        message.sequence);
  if (!detail.empty()) what += (named ? ", " : "") + detail;
  if (subscriber != kNobody) what += fmt::format(", subscriber {}", subscriber);
  return what;
}

bool VerifyLedger::fits(std::uint64_t publishers, std::uint64_t topics, std::uint64_t subscribers) {
  constexpr std::uint64_t pairs = 1ull << 26;  // 1 GiB of number sets
  std::uint64_t streams = publishers * topics * 2;
  return streams < 1ull << (64 - kSequenceBits) && streams * subscribers <= pairs;
}

VerifyLedger::VerifyLedger(std::uint32_t publishers, std::uint32_t topics, std::vector<Subscriber> subscribers,
                           VerifyRules rules)
    : publishers_(publishers),
      topics_(topics),
      subscribers_(std::move(subscribers)),
      rules_(rules),
      streams_(std::size_t{publishers} * topics * 2),
      seen_(streams_.size() * subscribers_.size()) {
  for (const Subscriber& s : subscribers_) begun_.push_back(s.durable ? 0 : kForever);
}

MessageName VerifyLedger::next(std::uint32_t publisher, std::uint32_t topic, std::uint8_t qos) const {
  MessageName m{publisher, topic, qos, 0};
  m.sequence = streams_[stream(m)].records.size();
  return m;
}

void VerifyLedger::send(const MessageName& m, Moment at, std::uint32_t connection) {
  streams_[stream(m)].records.push_back({at, 0, connection, connection});
  ++counts_.sent;
}

void VerifyLedger::resend(const MessageName& m, std::uint32_t connection) {
  streams_[stream(m)].records[m.sequence].last = connection;
  ++counts_.resent;
}

MessageName VerifyLedger::message(std::uint64_t token) const {
  auto s = static_cast<std::uint32_t>(token >> kSequenceBits);
  MessageName m;
  m.qos = static_cast<std::uint8_t>(s % 2 + 1);
  m.topic = topic_of(s);
  m.publisher = s / 2 / topics_;
  m.sequence = token & ((1ull << kSequenceBits) - 1);
  return m;
}

void VerifyLedger::acknowledge(const MessageName& m, Moment at) {
  Stream& s = streams_[stream(m)];
  MessageRecord& r = s.records[m.sequence];
  if (r.acknowledged) return;
  r.acknowledged = at;
  ++s.acknowledged;
  ++counts_.acknowledged;
}

void VerifyLedger::refuse(const MessageName& m) {
  if (streams_[stream(m)].refused.insert(m.sequence) != NumberSet::Sight::again) ++counts_.refused;
}

void VerifyLedger::begin(std::uint32_t subscriber, Moment at) { begun_[subscriber] = at; }

void VerifyLedger::end(std::uint32_t subscriber, Moment alive) {
  settle(subscriber, alive > rules_.margin ? alive - rules_.margin : 0);
  begun_[subscriber] = kForever;
  for (std::uint64_t s = 0; s < streams_.size(); ++s) {
    std::uint64_t place = subscriber * streams_.size() + s;
    seen_[place] = {};
    for (std::uint64_t copy = 1; copy < subscribers_[subscriber].copies[topic_of(s)]; ++copy)
      copies_.erase(place << 8 | copy);
  }
}

void VerifyLedger::deliver(std::uint32_t subscriber, const MessageName& m, std::uint8_t qos, Moment at) {
  if (m.publisher >= publishers_ || m.topic >= topics_ || m.qos < 1 || m.qos > 2 ||
      m.sequence >= streams_[stream(m)].records.size())
    return note(
        {Breach::forged, subscriber, m, at, false,
         fmt::format("publisher {}, topic {}, QoS {} never sent number {}", m.publisher, m.topic, m.qos, m.sequence)});
  const Subscriber& s = subscribers_[subscriber];
  if (s.copies[m.topic] == 0) return note(Breach::misrouted, subscriber, m, at);
  if (qos != std::min(m.qos, s.qos)) note(Breach::wrong_qos, subscriber, m, at, fmt::format("came with QoS {}", qos));
  switch (seen_[subscriber * streams_.size() + stream(m)].insert(m.sequence)) {
    case NumberSet::Sight::late:
      if (!s.group) judge_order(subscriber, m, at);
      [[fallthrough]];
    case NumberSet::Sight::in_order:
      ++counts_.delivered;
      return;
    case NumberSet::Sight::again:
      return repeat(subscriber, m, at);
  }
}

/// A later message L has come before `m`. By which connection it came is not known. If `m` was sent on every one on
/// which L was, then the one that brought L had `m` in front of it, and order is broken for sure. What is sent again
/// goes out in the order of the first time, so that is so when L's last connection is not after that of `m`; else L may
/// have overtaken `m` on a connection that never saw `m`, and nothing is promised. Nor is it when the subscription of
/// one without a session may have begun between `m` and L: then both come again in order, behind L.
void VerifyLedger::judge_order(std::uint32_t subscriber, const MessageName& m, Moment at) {
  const NumberSet& seen = seen_[subscriber * streams_.size() + stream(m)];
  const auto& records = streams_[stream(m)].records;
  std::uint32_t last = records[m.sequence].last;
  bool subscribed = records[m.sequence].sent > begun_[subscriber];
  for (auto n = seen.next_after(m.sequence); subscribed && n < seen.end() && records[n].first <= last;
       n = seen.next_after(n))
    if (records[n].last <= last)
      return note(Breach::disorder, subscriber, m, at, fmt::format("came after number {}", n));
  ++counts_.overtaken;
}

void VerifyLedger::repeat(std::uint32_t subscriber, const MessageName& m, Moment at) {
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
  const MessageRecord& r = record(m);
  if (m.publisher >= rules_.first_volatile_publisher && r.first != r.last) {
    ++counts_.renewed;
    return;
  }
  note(Breach::duplicate, subscriber, m, at);
}

void VerifyLedger::forge(std::uint32_t subscriber, std::string detail, Moment at) {
  note({Breach::forged, subscriber, {}, at, false, std::move(detail)});
}

void VerifyLedger::forget(std::string detail, Moment at) {
  note({Breach::forgotten, Finding::kNobody, {}, at, false, std::move(detail)});
}

/// Calls f(message) for what was first sent after begun_, acknowledged by `until`, and has not come.
template <class F>
void VerifyLedger::each_unmet(std::uint32_t subscriber, Moment until, F f) const {
  Moment begun = begun_[subscriber];
  for (std::uint64_t s = 0; s < streams_.size(); ++s) {
    if (subscribers_[subscriber].copies[topic_of(s)] == 0) continue;
    const auto& records = streams_[s].records;
    auto first = std::ranges::upper_bound(records, begun, {}, &MessageRecord::sent) - records.begin();
    auto unmet = [&](std::uint64_t n) {
      Moment acknowledged = records[n].acknowledged;
      if (acknowledged && acknowledged <= until) f(message(s << kSequenceBits | n));
    };
    seen_[subscriber * streams_.size() + s].for_each_missing(static_cast<std::uint64_t>(first), records.size(), unmet);
  }
}

/// Enters what `subscriber` is owed from what was acknowledged by `until`, and what of it did not come.
void VerifyLedger::settle(std::uint32_t subscriber, Moment until) {
  const Subscriber& me = subscribers_[subscriber];
  Moment begun = begun_[subscriber];
  for (std::uint64_t s = 0; s < streams_.size(); ++s) {
    if (me.copies[topic_of(s)] == 0) continue;
    if (me.durable) {
      counts_.owed += streams_[s].acknowledged;
      continue;
    }
    const auto& records = streams_[s].records;
    for (auto r = std::ranges::upper_bound(records, begun, {}, &MessageRecord::sent); r != records.end(); ++r)
      counts_.owed_volatile += r->acknowledged && r->acknowledged <= until;
  }
  Breach breach = me.durable ? Breach::lost : Breach::lost_volatile;
  each_unmet(subscriber, until, [&](const MessageName& m) { note(breach, subscriber, m, 0); });
}

std::uint64_t VerifyLedger::outstanding() const {
  std::uint64_t n = 0;
  for (std::uint32_t i = 0; i < subscribers_.size(); ++i) each_unmet(i, kForever, [&](const MessageName&) { ++n; });
  return n;
}

void VerifyLedger::close() {
  for (std::uint64_t s = 0; s < streams_.size(); ++s)
    for (std::uint64_t n = 0; n < streams_[s].records.size(); ++n)
      if (!streams_[s].records[n].acknowledged && !streams_[s].refused.contains(n))
        note(Breach::unanswered, Finding::kNobody, message(s << kSequenceBits | n), 0);
  for (std::uint32_t i = 0; i < subscribers_.size(); ++i) settle(i, kForever);
}

void VerifyLedger::note(Breach b, std::uint32_t subscriber, const MessageName& m, Moment at, std::string detail) {
  note({b, subscriber, m, at, true, std::move(detail)});
}

void VerifyLedger::note(Finding finding) {
  if (counts_.breaches[static_cast<std::size_t>(finding.breach)]++ < kNamed) findings_.push_back(std::move(finding));
}

std::vector<std::string> complaints(const VerifyCounts& c) {
  std::vector<std::string> all;
  auto say = [&](std::uint64_t n, const char* what) {
    if (n) all.push_back(fmt::format("{} {}", n, what));
  };
  if (c.sent == 0) all.push_back("nothing was sent: nothing is proved");
  if (c.sent > 0 && c.acknowledged == 0) all.push_back("nothing was acknowledged: nothing is proved");
  if (c.acknowledged > 0 && c.delivered == 0) all.push_back("nothing was delivered");
  if (c.acknowledged > 0 && c.owed + c.owed_volatile == 0)
    all.push_back("nobody had subscribed to anything: nothing is proved");
  say(c.of(Breach::lost), "deliveries of acknowledged messages never came");
  say(c.of(Breach::lost_volatile), "deliveries never came to volatile subscribers that were connected");
  say(c.of(Breach::duplicate), "deliveries of QoS 2 came again");
  say(c.of(Breach::disorder), "deliveries came out of order");
  say(c.of(Breach::forged), "deliveries were never sent");
  say(c.of(Breach::misrouted), "deliveries came to a subscriber without a filter for them");
  say(c.of(Breach::wrong_qos), "deliveries had the wrong QoS");
  say(c.of(Breach::unanswered), "publishes were never answered");
  say(c.of(Breach::forgotten), "times a session was forgotten");
  return all;
}

}  // namespace sb::app
