// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/number_set.h"

namespace sb::app {

/// Milliseconds since the run began, from 1; 0 = never. Enough for 49 days.
using Moment = std::uint32_t;
inline constexpr Moment kForever = std::numeric_limits<Moment>::max();

/// What a message of `verify` is known by. `sequence` counts from 0 for each publisher, topic and QoS: that is the
/// stream in which MQTT promises order [MQTT-4.6.0].
struct MessageName {
  std::uint32_t publisher = 0, topic = 0;
  std::uint8_t qos = 1;  ///< of the PUBLISH that went to the broker: 1 or 2
  std::uint64_t sequence = 0;
  bool operator==(const MessageName&) const = default;
};

/// The ways in which a broker can break its word.
enum class Breach : std::uint8_t {
  lost,           ///< acknowledged, and never came to a subscriber with a durable session that it matches
  lost_volatile,  ///< the same of one without, whose connection stood all the while
  duplicate,      ///< QoS 2 on both sides, and came more often than the subscriber has filters for it
  disorder,       ///< came for the first time after a later one of the same stream and connection had come
  forged,         ///< was never sent, or is not what was sent
  misrouted,      ///< came to a subscriber whose filters it does not match
  wrong_qos,      ///< came with another QoS than the lower one of both sides
  unanswered,     ///< sent, and neither acknowledged nor refused although there was time
  forgotten,      ///< a durable session was gone when its client came back
};
inline constexpr std::size_t kBreaches = 9;
const char* name_of(Breach b);

/// One breach by name, for the report.
struct Finding {
  static constexpr std::uint32_t kNobody = 0xFFFFFFFF;
  Breach breach = Breach::lost;
  std::uint32_t subscriber = kNobody;
  MessageName message;
  Moment at = 0;       ///< when it was noticed; 0 = at the end
  bool named = true;   ///< `message` is one of ours
  std::string detail;  ///< what else there is to say
  std::string text() const;
};

/// What happened, in numbers.
struct VerifyCounts {
  std::uint64_t sent = 0, acknowledged = 0, refused = 0;
  std::uint64_t resent = 0;         ///< times that a publish went out again on another connection
  std::uint64_t owed = 0;           ///< deliveries that the acknowledgements promise, known after close()
  std::uint64_t owed_volatile = 0;  ///< the same to subscribers without a session
  std::uint64_t delivered = 0;      ///< first deliveries, of what was acknowledged or not
  std::uint64_t repeated = 0;       ///< QoS 1: came again, which is allowed
  std::uint64_t renewed = 0;    ///< QoS 2: came again after a publisher without a session had sent it again: allowed
  std::uint64_t copies = 0;     ///< QoS 2: one for each further overlapping filter, which is allowed [MQTT-3.3.4-2]
  std::uint64_t overtaken = 0;  ///< came after a later one where order is not promised: see judge_order()
  std::uint64_t breaches[kBreaches] = {};
  std::uint64_t of(Breach b) const { return breaches[static_cast<std::size_t>(b)]; }
};

/// What became of one message on its publisher's side.
struct MessageRecord {
  Moment sent = 0, acknowledged = 0;  ///< the first time
  std::uint32_t first = 0, last = 0;  ///< the publisher's connections on which it was sent, counted from 0
};

/// What is promised beyond MQTT's plain words.
struct VerifyRules {
  /// A subscriber without a session is owed what was first sent after its SUBACK and acknowledged this many ms before
  /// the last sign of life of its connection. No margin is needed at the beginning: the SUBACK was read here before
  /// the PUBLISH was written.
  Moment margin = 0;
  /// Publishers from this number on keep no session: what they send again is a new message.
  std::uint32_t first_volatile_publisher = std::numeric_limits<std::uint32_t>::max();
};

/// The books of `verify`: what was sent, what was acknowledged and what came. Pure: no I/O, no clock. Per message it
/// keeps a record of 16 bytes and touches one NumberSet per delivery, so that one thread keeps up with any broker.
class VerifyLedger {
 public:
  struct Subscriber {
    std::uint8_t qos = 2;              ///< granted
    std::vector<std::uint8_t> copies;  ///< by topic: how many of its filters match it, 0 = none
    bool group = false;                ///< many clients in turn: no order is promised between them
    bool durable = true;               ///< else begin() and end() say when it is connected
  };
  VerifyLedger(std::uint32_t publishers, std::uint32_t topics, std::vector<Subscriber> subscribers,
               VerifyRules rules = {});

  // --- The publishers' side
  /// The name of the stream's next message.
  MessageName next(std::uint32_t publisher, std::uint32_t topic, std::uint8_t qos) const;
  /// The message that next() has named goes out on the publisher's connection number `connection`.
  void send(const MessageName& m, Moment at, std::uint32_t connection);
  /// It goes out again, on a later connection.
  void resend(const MessageName& m, std::uint32_t connection);
  /// PUBACK, or PUBREC with PUBCOMP: from now on it is owed to each subscriber whose filters match.
  void acknowledge(const MessageName& m, Moment at);
  /// The broker has said that it does not take it: nobody is owed it, though it may come.
  void refuse(const MessageName& m);

  // --- The subscribers' side
  /// SUBACK has come to a subscriber without a session.
  void begin(std::uint32_t subscriber, Moment at);
  /// The connection of a subscriber without a session has ended; `alive`: its last sign of life.
  void end(std::uint32_t subscriber, Moment alive);
  /// It came to `subscriber` with this QoS.
  void deliver(std::uint32_t subscriber, const MessageName& m, std::uint8_t qos, Moment at);
  /// Something came that is no message of ours.
  void forge(std::uint32_t subscriber, std::string detail, Moment at);
  /// A session was not there any more; `detail` says whose.
  void forget(std::string detail, Moment at);

  /// No more will come: what is owed and did not come is lost. To be called once, at the end.
  void close();

  /// Deliveries that are owed and have not come yet. Walks through the books: not for each message.
  std::uint64_t outstanding() const;
  const VerifyCounts& counts() const { return counts_; }
  /// The first breaches of each kind, at most kNamed.
  const std::vector<Finding>& findings() const { return findings_; }
  static constexpr std::size_t kNamed = 20;
  /// Of a message that was sent.
  const MessageRecord& record(const MessageName& m) const { return streams_[stream(m)].records[m.sequence]; }

  /// A message as a number, and back: for a publish's token.
  std::uint64_t token(const MessageName& m) const { return std::uint64_t{stream(m)} << kSequenceBits | m.sequence; }
  MessageName message(std::uint64_t token) const;
  /// What fits into tokens and a reasonable memory.
  static bool fits(std::uint64_t publishers, std::uint64_t topics, std::uint64_t subscribers);

 private:
  static constexpr unsigned kSequenceBits = 40;
  struct Stream {
    std::vector<MessageRecord> records;  ///< by sequence
    std::uint64_t acknowledged = 0;      ///< of these
    NumberSet refused;
  };
  std::uint32_t stream(const MessageName& m) const { return (m.publisher * topics_ + m.topic) * 2 + m.qos - 1u; }
  std::uint32_t topic_of(std::uint64_t stream) const { return static_cast<std::uint32_t>(stream / 2 % topics_); }
  void note(Breach b, std::uint32_t subscriber, const MessageName& m, Moment at, std::string detail = {});
  void note(Finding finding);
  void judge_order(std::uint32_t subscriber, const MessageName& m, Moment at);
  void repeat(std::uint32_t subscriber, const MessageName& m, Moment at);
  void settle(std::uint32_t subscriber, Moment until);
  template <class F>
  void each_unmet(std::uint32_t subscriber, Moment until, F f) const;

  std::uint32_t publishers_, topics_;
  std::vector<Subscriber> subscribers_;
  VerifyRules rules_;
  std::vector<Stream> streams_;
  std::vector<NumberSet> seen_;  ///< by subscriber, then stream; of one without a session: on this connection
  std::vector<Moment> begun_;    ///< by subscriber: SUBACK, 0 = before all; kForever = is not connected
  /// Overlapping filters: further copies of a stream's messages, by place in seen_ and number of the copy.
  std::unordered_map<std::uint64_t, NumberSet> copies_;
  VerifyCounts counts_;
  std::vector<Finding> findings_;
};

/// Why the run proves nothing or shows a broken promise; empty when all promises held. A run in which nothing was
/// acknowledged or nothing came has failed.
std::vector<std::string> complaints(const VerifyCounts& c);

}  // namespace sb::app
