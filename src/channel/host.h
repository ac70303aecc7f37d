// SPDX-License-Identifier: MIT
#pragma once
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "channel/counters.h"
#include "channel/event.h"
#include "channel/fanout.h"
#include "model/session_record.h"
#include "mqtt/packets.h"
#include "ports/authenticator.h"
#include "session/session.h"

namespace sb::channel {

class Channel;

/// What a channel needs of its connection: bytes out, time, the end.
class Transport {
 public:
  /// out() has something: write it before the turn ends.
  virtual void flush_soon() = 0;
  /// Write what out() holds, then close. The channel is done.
  virtual void close_soon() = 0;
  /// input() stopped early and would go on now: offer it again what it did not take.
  virtual void resume_input() = 0;
  /// The channel's deadline() changed.
  virtual void deadline_changed() = 0;
  /// The other end as "address:port", for logs and authentication.
  virtual std::string peer() const = 0;
  /// Its address alone, none for Unix sockets.
  virtual Ip address() const = 0;
  /// From the client certificate, "" = none.
  virtual std::string tls_identity() const = 0;

 protected:
  ~Transport() = default;
};

/// What the broker remembers of a topic, so that the next message on it costs no look-up. Belongs to one shard.
struct TopicMemo : boost::intrusive_ref_counter<TopicMemo, boost::thread_unsafe_counter> {
  std::string topic;
  bool passing = false;  ///< takes much memory: not to be kept, but asked for again with the next message
  virtual ~TopicMemo() = default;
};
using TopicMemoPtr = boost::intrusive_ptr<TopicMemo>;

/// A client that was authenticated and wants its session.
struct OpenRequest {
  std::string client_id;
  std::string username;
  bool clean_start = false;
  std::uint32_t expiry = 0;         ///< seconds; 0 = volatile
  model::WillRecord will;           ///< message null = none
  ports::RightsPtr rights;          ///< that came with what it showed; null: those of the user
  WallTime rights_end = kNoExpiry;  ///< then the connection ends
};

/// One filter of a SUBSCRIBE. `reason` is a refusal that the channel has found already, or success.
struct SubscribeItem {
  std::string_view filter;
  model::SubscribeOptions options;
  mqtt::Reason reason = mqtt::Reason::success;
};

/// How a connection ended.
enum class Ending : std::uint8_t {
  disconnected,  ///< DISCONNECT without will
  with_will,     ///< everything else: lost, timed out, closed by us for an error, DISCONNECT 0x04
  taken_over,    ///< the session belongs to another connection now
};

/// The answer to route().
struct Routed {
  bool pending = false;  ///< routed() will be called with the sequence number
  mqtt::Reason reason = mqtt::Reason::success;
};

/// What a channel asks of the broker. Answers that take time come as calls on the channel (named at each).
class Host {
 public:
  Counters counters;
  /// The time of this turn, set by whoever runs the host.
  MonoTime now{};
  WallTime wall{};
  bool memory_full = false;  ///< nothing that can be refused may grow
  EventMask hears;
  /// Reused by all channels of the shard while they decode.
  struct Decoded {
    mqtt::Connect connect;
    mqtt::Publish publish;
    mqtt::Ack ack;
    mqtt::Subscribe subscribe;
    mqtt::Unsubscribe unsubscribe;
    mqtt::ReasonPacket reason;
    std::string scratch;
    std::vector<SubscribeItem> items;
  } decoded;

  /// For kinds that it hears.
  virtual void happened(const Event& e) = 0;

  // --- coming in
  /// A connection is being refused with this reason.
  virtual void refused(Channel& c, mqtt::Reason reason) = 0;
  /// CONNECT is complete. → Channel::admitted, at once or when it is this connection's turn. `durable`: for a session
  /// that outlives the connection.
  virtual void admit(Channel& c, std::string_view client_id, bool durable) = 0;
  /// → Channel::authenticated
  virtual void authenticate(Channel& c, const ports::Credentials& who) = 0;
  virtual std::unique_ptr<ports::AuthExchange> start_exchange(std::string_view method,
                                                              const ports::Credentials& who) = 0;
  /// → Channel::opened
  virtual void open(Channel& c, OpenRequest request) = 0;
  /// CONNACK is out: send again what was under way, go on reading.
  virtual void started(Channel& c) = 0;
  /// An identifier for a client that brought none [MQTT-3.1.3-6]; unique.
  virtual std::string new_client_id() = 0;

  // --- from the client
  virtual bool may_publish(Channel& c, std::string_view topic, bool retain) = 0;
  /// What is known of a topic; never null.
  virtual TopicMemoPtr memo(std::string_view topic) = 0;
  /// `frame`: the packet as it came, usable for receivers of the same version when `data` is not null. `memo` may be
  /// replaced by a fresher one. → Channel::routed(seq) when pending.
  virtual Routed route(Channel& c, TopicMemoPtr& memo, model::MessageView& m, const EncodedFrame& frame,
                       mqtt::PacketId id, std::uint64_t seq) = 0;
  /// PUBREL: forget the packet id. True when it takes time → Channel::inbound_released
  virtual bool release_inbound(Channel& c, mqtt::PacketId id) = 0;
  /// → Channel::subscribed, at once or later. `items` is valid during the call only.
  virtual void subscribe(Channel& c, mqtt::PacketId id, std::vector<SubscribeItem>& items,
                         std::uint32_t subscription_id) = 0;
  /// → Channel::unsubscribed, at once or later. `filters` is valid during the call only.
  virtual void unsubscribe(Channel& c, mqtt::PacketId id, const std::vector<std::string_view>& filters) = 0;

  // --- to the client
  /// PUBREC of a durable session: note that the message arrived. True when it takes time → Channel::outbound_released
  virtual bool release_outbound(Channel& c, mqtt::PacketId id, session::InFlight& e) = 0;
  /// An entry is about to leave the window: it is done.
  virtual void delivered(Channel& c, mqtt::PacketId id, session::InFlight& e) = 0;
  /// The window or the output has room again: durable sessions read on.
  virtual void pump(Channel& c) = 0;

  /// The connection is over; the channel gives its session back. Called once, unless the channel never asked to open.
  virtual void closed(Channel& c, std::unique_ptr<session::Session> s, Ending how) = 0;

 protected:
  ~Host() = default;
};

}  // namespace sb::channel
