// SPDX-License-Identifier: MIT
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "model/message.h"
#include "model/subscription.h"

namespace sb::model {

/// Place of a message in a log, never used for another one. The generation changes when a store forgot a tail.
struct Position {
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;  ///< of the message, counted from 1; 0 = before the first
  friend auto operator<=>(const Position&, const Position&) = default;
};

/// One subscription of a durable session.
struct SubscriptionRecord {
  std::string filter;  ///< as subscribed, with `$share/group/` when shared
  SubscribeOptions options;
  std::uint32_t subscription_id = 0;  ///< 0 = none
  std::uint64_t order = 0;            ///< age: the oldest matching one delivers
  bool logged = false;                ///< it reads from the filter's log (QoS > 0, not shared)
  Position next;                      ///< last position that was read from the log: reading goes on behind it
  std::vector<Position> passed;       ///< see session::Cursor
  /// Unsubscribed, but messages up to here are still owed, since younger subscriptions have passed them over.
  bool draining = false;
  Position drain_to;
  std::vector<std::pair<std::string, Position>> covers;  ///< see session::Cursor
};

enum class OutboundState : std::uint8_t {
  sent_qos1 = 1,
  sent_qos2 = 2,  ///< PUBLISH sent, PUBREC awaited
  released = 3,   ///< PUBREL sent, PUBCOMP awaited; the message itself is done
  received = 4,   ///< PUBREC came, and waits for the store before PUBREL; stored as released
};

/// One packet id under way to the client.
struct OutboundRecord {
  std::uint64_t sequence = 0;  ///< counts the packet ids of a session: what was sent first has the lowest
  std::uint16_t packet_id = 0;
  OutboundState state = OutboundState::sent_qos1;
  std::string filter;  ///< of the log that holds the message; "" for released, or when `message` is held
  Position position;
  MessagePtr message;  ///< messages that are in no log of the session (shared groups)
};

/// One packet id under way from the client: QoS 2, PUBREC sent, PUBREL awaited. What it brought is stored as number
/// `publish` of the writer `client#incarnation#epoch`, so a repeat of it is harmless. PROTOCOLS: QoS 2.
struct InboundRecord {
  std::uint16_t packet_id = 0;
  std::uint64_t publish = 0;  ///< counts the publishes of a session; 0 = it has no number
  std::uint64_t epoch = 0;    ///< of the owner that gave the number
  friend bool operator==(const InboundRecord&, const InboundRecord&) = default;
};

/// A will as stored.
struct WillRecord {
  MessagePtr message;                 ///< null = none
  std::uint32_t delay = 0;            ///< seconds
  std::uint32_t expiry_interval = 0;  ///< seconds of message expiry from its publication
  bool expires = false;
};

/// A durable session as the store keeps it.
struct SessionRecord {
  std::string client_id;
  std::string username;
  std::uint64_t epoch = 0;        ///< counts the owners: fencing token of every write
  std::uint64_t incarnation = 0;  ///< new with every session of this client id
  std::uint32_t expiry = 0;       ///< seconds, 0xFFFFFFFF = never
  bool connected = false;
  std::uint64_t next_order = 1;
  std::uint64_t next_publish = 1;  ///< above every number that an InboundRecord of this session had
  std::vector<SubscriptionRecord> subscriptions;
  std::vector<OutboundRecord> outbound;  ///< by sequence
  std::vector<InboundRecord> inbound;
  WillRecord will;
  WallTime will_due = kNoExpiry;    ///< set when the connection ends without DISCONNECT
  WallTime expires_at = kNoExpiry;  ///< set when the connection ends
};

}  // namespace sb::model
