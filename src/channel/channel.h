// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "base/out_buffer.h"
#include "base/time.h"
#include "channel/ack_queue.h"
#include "channel/config.h"
#include "channel/fanout.h"
#include "channel/host.h"
#include "session/session.h"

namespace sb::channel {

/// What became of a message that was offered to a channel.
enum class Delivered : std::uint8_t { sent, queued, dropped };

/// The server's side of one MQTT connection as a state machine: bytes in, calls on Transport and Host out. It does no
/// I/O, reads no clock and takes no lock. Owner: one shard.
///
///     awaiting_connect → authenticating → opening → up → closed        (any state → closed)
class Channel {
 public:
  enum class State : std::uint8_t { awaiting_connect, authenticating, opening, up, closed };

  Channel(Transport& transport, Host& host, const ChannelConfig& config);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // --- from the connection
  /// Handles the packets in `bytes`; returns how many bytes it took. The rest is a partial packet, or input that has to
  /// wait until Transport::resume_input.
  std::size_t input(std::string_view bytes);
  /// True when input() stopped before the end of what it could take; Transport::resume_input will say when to go on.
  bool input_waits() const { return waiting_input_; }
  /// The output is being written: what is queued from here on asks for another flush.
  void flushed() { flushing_ = false; }
  /// The output was written out completely.
  void drained();
  /// The socket takes nothing more at present, or does again.
  void set_stuck(bool stuck) { stuck_ = stuck; }
  /// The deadline may have come. May close the channel.
  void on_deadline();
  /// When on_deadline is to be called, kNever when not at all.
  MonoTime deadline() const;
  /// The transport is gone. `fault`: it was the client's.
  void lost(std::string_view why = "connection lost", bool fault = false);
  /// The same, since the peer has taken nothing for limits.output_stall.
  void stalled();
  /// Ends the connection from our side, with DISCONNECT where the version and the state have one.
  void shut_down(mqtt::Reason reason, Ending how = Ending::with_will);

  // --- answers of the host
  void admitted(mqtt::Reason reason);
  void authenticated(const ports::AuthDecision& decision);
  void opened(std::unique_ptr<session::Session> session, bool present, mqtt::Reason reason);
  void routed(std::uint64_t seq, mqtt::Reason reason);
  void inbound_released(mqtt::PacketId id);
  void outbound_released(mqtt::PacketId id);
  void subscribed(mqtt::PacketId id, const std::vector<mqtt::Reason>& codes);
  void unsubscribed(mqtt::PacketId id, const std::vector<mqtt::Reason>& codes);
  /// What Host::may_publish said does not hold any more.
  void rights_changed() { memo_.reset(); }

  // --- deliveries (delivery.cc)
  /// Sends a message, or lets it wait in the session's queue; volatile path. `qos` and `retain` as they are to go out.
  Delivered deliver(Fanout& f, std::uint8_t qos, bool retain, std::span<const std::uint32_t> subscription_ids,
                    std::uint32_t group = 0);
  /// Deliveries that may be under way to the client at once.
  std::uint32_t window_maximum() const;
  /// True when a QoS > 0 delivery would go out at once.
  bool has_room() const;
  /// True when a delivery would go out at once rather than wait in the session's queue.
  bool unhindered() const { return has_room() && !session_->has_waiting(); }
  /// Sends a stored message with a packet id from the window; has_room() must hold. `entry.state` says the QoS; nothing
  /// is sent and false returned when the packet would be too large for the client.
  bool deliver_stored(const model::MessagePtr& m, bool retain, std::span<const std::uint32_t> subscription_ids,
                      session::InFlight entry, std::string_view extra_properties = {});
  /// The two halves of deliver_stored, for QoS 2: take an id, and send once the id is stored.
  /// False when the packet is too large for the client.
  bool send_in_flight(const model::MessageView& m, mqtt::PacketId id, std::uint8_t qos, bool retain, bool dup,
                      std::span<const std::uint32_t> subscription_ids, std::string_view extra_properties = {});
  bool fits(const model::MessageView& m, std::uint8_t qos, std::span<const std::uint32_t> ids,
            std::string_view extra_properties = {}) const;
  void send_pubrel(mqtt::PacketId id);

  // --- what is known
  State state() const { return state_; }
  bool up() const { return state_ == State::up; }
  mqtt::Version version() const { return version_; }
  session::Session& session() { return *session_; }
  bool has_session() const { return session_ != nullptr; }
  OutBuffer& out() { return out_; }
  Transport& transport() { return transport_; }
  const ChannelConfig& config() const { return config_; }
  std::uint16_t keep_alive() const { return keep_alive_; }
  model::WillRecord* will() { return will_.get(); }
  std::unique_ptr<model::WillRecord> take_will() { return std::move(will_); }
  /// The host's own names for this channel.
  std::uint32_t slot = 0xFFFFFFFF;

 private:
  struct Connecting;  ///< what is only needed until CONNACK
  struct PublishRate;

  // connect.cc
  void on_connect(const mqtt::Frame& f);
  void refuse(mqtt::Reason reason, std::string_view properties = {});
  bool take_connect(const mqtt::Connect& c);
  void start_enhanced(std::string_view data);
  void exchange_step(std::string_view data);
  void on_auth(const mqtt::Frame& f);
  void ask_for_session(ports::AuthDecision decision);
  void send_connack(bool present);
  void on_disconnect(const mqtt::Frame& f);
  ports::Credentials credentials() const;

  // channel.cc
  void handle(const mqtt::Frame& f);
  void fail(mqtt::Reason reason);
  void drop(std::string_view why);
  void close(Ending how, std::string_view why = {}, bool fault = true);
  /// Tells the host of what happened to this client.
  void tell(EventKind kind, std::string_view reason, std::string_view what = {}, bool fault = true);
  void send(std::string_view packet);
  void touched_output() {
    if (!flushing_) {
      flushing_ = true;
      transport_.flush_soon();
    }
  }
  bool input_must_wait();
  std::string reason_properties(mqtt::Reason reason) const;

  // inbound.cc
  void on_publish(const mqtt::Frame& f);
  bool resolve_alias(const mqtt::Publish& p, std::string_view& topic);
  bool may_retain(std::string_view topic);
  void accept_publish(const mqtt::Publish& p, std::string_view topic, const mqtt::Frame& f);
  void acknowledge(mqtt::PacketId id, mqtt::PacketType type, mqtt::Reason reason);
  void on_pubrel(const mqtt::Frame& f);

  // acknowledged.cc
  /// The acknowledgement in `f`; null when it was malformed, which ended the connection.
  const mqtt::Ack* take_ack(const mqtt::Frame& f);
  void on_puback(const mqtt::Frame& f);
  void on_pubrec(const mqtt::Frame& f);
  void on_pubcomp(const mqtt::Frame& f);
  void finish_entry(mqtt::PacketId id);
  void pump();

  // subscribe.cc
  void on_subscribe(const mqtt::Frame& f);
  void on_unsubscribe(const mqtt::Frame& f);
  void answer_subscription(mqtt::PacketType type, mqtt::PacketId id, const std::vector<mqtt::Reason>& codes);
  mqtt::Reason check_filter(std::string_view filter, const model::SubscribeOptions& o) const;

  // delivery.cc
  bool send_special(const model::MessageView& m, std::uint8_t qos, bool retain, bool dup, mqtt::PacketId id,
                    std::span<const std::uint32_t> ids, WallTime now, std::string_view extra);
  void write_frame(Fanout& f, const EncodedFrame& frame, std::uint8_t qos, mqtt::PacketId id);
  void pump_queue();

  Transport& transport_;
  Host& host_;
  const ChannelConfig& config_;
  OutBuffer out_;
  MonoTime last_packet_;
  TopicMemoPtr memo_;  ///< of the topic of the last PUBLISH
  std::unique_ptr<session::Session> session_;
  std::unique_ptr<Connecting> connecting_;
  std::unique_ptr<model::WillRecord> will_;
  std::unique_ptr<AckQueue> acks_;
  std::unique_ptr<PublishRate> rate_;                     ///< only where a bound is configured
  std::unique_ptr<std::vector<std::string>> aliases_in_;  ///< alias - 1 → topic
  std::unique_ptr<StringMap<std::uint16_t>> aliases_out_;
  std::unique_ptr<ports::AuthExchange> exchange_;  ///< a re-authentication under way
  std::unique_ptr<std::string> auth_method_;       ///< the CONNECT's [MQTT-4.12.1-1]
  std::uint64_t publisher_ = 0;
  std::uint32_t client_packet_max_ = mqtt::kMaxPacketSize;
  std::uint16_t client_receive_max_ = 65535;
  std::uint16_t client_alias_max_ = 0;
  std::uint16_t keep_alive_ = 0;
  mqtt::Version version_ = mqtt::Version::v311;
  State state_ = State::awaiting_connect;
  bool flushing_ = false;
  bool problem_information_ = true;
  bool waiting_input_ = false;
  bool memo_allowed_ = false;
  enum class Known : std::uint8_t { no_idea, no, yes } memo_may_retain_ = Known::no_idea;
  bool stuck_ = false;
  bool subscribing_ = false;  ///< a SUBSCRIBE or UNSUBSCRIBE waits for a store; what follows waits for it
};

}  // namespace sb::channel
