// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/number_set.h"

namespace sb::app {

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
  lost,        ///< acknowledged, and never came to a subscriber that it matches
  duplicate,   ///< QoS 2 on both sides, and came more often than the subscriber has filters for it
  disorder,    ///< came for the first time after a later one of its stream had come
  forged,      ///< was never sent, or is not what was sent
  misrouted,   ///< came to a subscriber whose filters it does not match
  wrong_qos,   ///< came with another QoS than the lower one of both sides
  unanswered,  ///< sent, and neither acknowledged nor refused although there was time
};
inline constexpr std::size_t kBreaches = 7;
const char* name_of(Breach b);

/// One breach by name, for the report.
struct Finding {
  static constexpr std::uint32_t kNobody = 0xFFFFFFFF;
  Breach breach = Breach::lost;
  std::uint32_t subscriber = kNobody;
  MessageName message;
  std::string detail;  ///< forged: what is wrong with it
  std::string text() const;
};

/// What happened, in numbers.
struct VerifyCounts {
  std::uint64_t sent = 0, acknowledged = 0, refused = 0;
  std::uint64_t owed = 0;       ///< deliveries that the acknowledgements promise, known after close()
  std::uint64_t delivered = 0;  ///< first deliveries, of what was acknowledged or not
  std::uint64_t repeated = 0;   ///< QoS 1: came again, which is allowed
  std::uint64_t copies = 0;     ///< QoS 2: one for each further overlapping filter, which is allowed [MQTT-3.3.4-2]
  std::uint64_t breaches[kBreaches] = {};
  std::uint64_t of(Breach b) const { return breaches[static_cast<std::size_t>(b)]; }
};

/// The books of `verify`: what was sent, what was acknowledged and what came. Pure: no I/O, no clock. Per message it
/// touches one NumberSet for the publisher and one per delivery, so that one thread keeps up with any broker.
class VerifyLedger {
 public:
  struct Subscriber {
    std::uint8_t qos = 2;              ///< granted
    std::vector<std::uint8_t> copies;  ///< by topic: how many of its filters match it, 0 = none
    bool group = false;                ///< many clients in turn: no order is promised between them
  };
  VerifyLedger(std::uint32_t publishers, std::uint32_t topics, std::vector<Subscriber> subscribers);

  // --- The publishers' side
  /// The name of the stream's next message.
  MessageName next(std::uint32_t publisher, std::uint32_t topic, std::uint8_t qos) const;
  /// The message that next() has named goes out.
  void send(const MessageName& m);
  /// PUBACK, or PUBREC with PUBCOMP: from now on it is owed to each subscriber whose filters match.
  void acknowledge(const MessageName& m);
  /// The broker has said that it does not take it: nobody is owed it, though it may come.
  void refuse(const MessageName& m);

  // --- The subscribers' side
  /// It came to `subscriber` with this QoS.
  void deliver(std::uint32_t subscriber, const MessageName& m, std::uint8_t qos);
  /// Something came that is no message of ours.
  void forge(std::uint32_t subscriber, std::string detail);

  /// No more will come: what is owed and did not come is lost. To be called once, at the end.
  void close();

  const VerifyCounts& counts() const { return counts_; }
  /// The first few breaches of each kind.
  const std::vector<Finding>& findings() const { return findings_; }

  /// A message as a number, and back: for a publish's token.
  std::uint64_t token(const MessageName& m) const { return std::uint64_t{stream(m)} << kSequenceBits | m.sequence; }
  MessageName message(std::uint64_t token) const;
  /// What fits into tokens and a reasonable memory.
  static bool fits(std::uint64_t publishers, std::uint64_t topics, std::uint64_t subscribers);

 private:
  static constexpr unsigned kSequenceBits = 40;
  static constexpr std::size_t kNamed = 5;  ///< findings of each kind
  struct Stream {
    std::uint64_t sent = 0;
    NumberSet acknowledged, refused;
  };
  std::uint32_t stream(const MessageName& m) const { return (m.publisher * topics_ + m.topic) * 2 + m.qos - 1u; }
  void note(Breach b, std::uint32_t subscriber, const MessageName& m, std::string detail = {});
  void repeat(std::uint32_t subscriber, const MessageName& m);

  std::uint32_t publishers_, topics_;
  std::vector<Subscriber> subscribers_;
  std::vector<Stream> streams_;
  std::vector<NumberSet> seen_;  ///< by subscriber, then stream
  /// Overlapping filters: further copies of a stream's messages, by place in seen_ and number of the copy.
  std::unordered_map<std::uint64_t, NumberSet> copies_;
  VerifyCounts counts_;
  std::vector<Finding> findings_;
};

/// Why the run proves nothing or shows a broken promise; empty when all promises held. A run in which nothing was
/// acknowledged or nothing came has failed.
std::vector<std::string> complaints(const VerifyCounts& c);

}  // namespace sb::app
