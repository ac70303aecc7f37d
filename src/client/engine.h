// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/out_buffer.h"
#include "client/errc.h"
#include "client/handler.h"
#include "client/id_set.h"
#include "client/options.h"
#include "client/out_window.h"
#include "client/topic_aliases.h"
#include "model/message.h"
#include "mqtt/encoder.h"
#include "mqtt/publish_encoder.h"

namespace sb::client {

/// What an engine needs of whatever carries its bytes.
class Link {
 public:
  /// The output was empty and now has bytes.
  virtual void on_output() = 0;
  /// CONNACK accepted us: tick() is wanted from now on. The handler hears of it next.
  virtual void on_up() = 0;
  /// The protocol has ended: send what is queued, close, then tell the handler `stop`. The views in it are
  /// valid only now.
  virtual void on_stop(const Stop& stop) = 0;

 protected:
  ~Link() = default;
};

/// The client's side of MQTT 3.1, 3.1.1 and 5 as a state machine: bytes in, calls on a Handler, bytes out
/// into an OutBuffer. No socket, no clock, no thread. Outlives its connections: opened() after lost() resumes
/// the session, sends unacknowledged publishes again, and keeps QoS 2 exact. A QoS 0 publish is encoded into
/// the output directly; a steady flow at any QoS allocates nothing.
class Engine {
 public:
  /// `options`, `handler`, `link` and `out` must outlive the engine.
  Engine(const Options& options, std::string client_id, Handler& handler, Link& link, OutBuffer& out)
      : options_(options), client_id_(std::move(client_id)), handler_(handler), link_(link), out_(out) {}

  // --- The transport
  /// It is up: CONNECT goes out.
  void opened();
  /// Takes whole packets from the front of `bytes` and returns how many bytes those were; the rest must come
  /// again with more behind it.
  std::size_t received(std::string_view bytes);
  /// It is gone, with all that it had not delivered.
  void lost();
  /// To be called every tick_period() while connected: pings, and ends with keep_alive_timeout when nobody
  /// answers.
  void tick();
  /// Below half of the keep alive, so that between two packets of ours never lies more than all of it; 0 =
  /// never.
  Millis tick_period() const { return Millis(keep_alive_ * 450ll); }
  /// The output has shrunk.
  void drained() {
    if (blocked_) [[unlikely]]
      tell_room();
  }

  // --- The application
  /// `token` comes back in on_published (QoS > 0). A large payload that lies in `owner` is shared, not
  /// copied. The expiry and id of `m` are not looked at; its properties go out as they are. Errors:
  /// not_connected, window_full, output_full, packet_too_large, qos_not_supported, retain_not_supported.
  error_code publish(const model::MessageView& m, std::uint64_t token = 0, const SharedBytesPtr& owner = nullptr);
  /// The packet id, by which on_suback names it. Errors: not_connected, too_many_requests, packet_too_large.
  result<mqtt::PacketId> subscribe(const std::vector<mqtt::SubscribeEntryOut>& entries,
                                   std::string_view properties = {});
  result<mqtt::PacketId> unsubscribe(const std::vector<std::string_view>& filters, std::string_view properties = {});
  /// With Options::manual_ack, once for each message of QoS > 0.
  void ack(mqtt::PacketId id, std::uint8_t qos, mqtt::Reason reason = mqtt::Reason::success);
  /// AUTH: continue_authentication as an answer, reauthenticate to begin anew.
  void authenticate(mqtt::Reason reason, std::string_view data);
  /// Says DISCONNECT and ends; on_closed follows when the transport is closed.
  void disconnect(mqtt::Reason reason = mqtt::Reason::success, std::string_view properties = {});

  bool connected() const { return state_ == State::connected; }
  /// Publishes that wait for their acknowledgement.
  std::size_t unacknowledged() const { return window_.used(); }
  /// Rises with whatever comes from the broker: as long as it does, somebody is there.
  std::uint64_t inputs() const { return inputs_; }
  const std::string& client_id() const { return client_id_; }
  mqtt::Version version() const { return options_.version; }
  const Options& options() const { return options_; }

 private:
  enum class State : std::uint8_t { closed, connecting, connected, ended };

  void on_frame(const mqtt::Frame& f);
  void on_connack(const mqtt::Frame& f);
  void on_publish(const mqtt::Frame& f);
  void on_ack(const mqtt::Frame& f);
  void on_pubrel(mqtt::PacketId id);
  void on_suback(const mqtt::Frame& f);
  void on_reason_packet(const mqtt::Frame& f);
  void take_limits(const mqtt::Properties& p);
  void complete(mqtt::PacketId id, mqtt::Reason reason, std::string_view text);
  void prepare_resend(bool session_present);
  void resend();

  std::string connect_properties() const;
  error_code publish_kept(const model::MessageView& m, std::uint64_t token, mqtt::PublishForm& form);
  bool has_room() const { return out_.size() < options_.output_limit && window_.used() < window_size_; }
  void tell_room();
  void fail(errc code, mqtt::Reason reason, std::string_view text);
  void stop(const Stop& s);
  result<mqtt::PacketId> request_id();
  bool answered(mqtt::PacketId id);
  void send(std::string_view packet);
  void send_ack(mqtt::PacketType type, mqtt::PacketId id, mqtt::Reason reason);
  char* room(std::size_t n) { return out_.reserve(n); }
  void wrote(std::size_t n) {
    bool first = out_.empty();
    out_.commit(n);
    sent_ = true;
    if (first) link_.on_output();
  }

  const Options& options_;
  std::string client_id_;
  Handler& handler_;
  Link& link_;
  OutBuffer& out_;

  State state_ = State::closed;
  bool resumed_ = false;                  ///< a session of ours was there before: ask for it, do not start clean
  bool blocked_ = false;                  ///< publish() was refused for want of room
  bool sent_ = false, received_ = false;  ///< since the last tick
  std::uint64_t inputs_ = 0;              ///< calls of received()
  std::uint8_t unanswered_ = 0;           ///< ticks since a PINGREQ without anything received
  std::uint16_t keep_alive_ = 0;          ///< seconds, ours or the Server Keep Alive
  // What the broker allows.
  std::uint16_t window_size_ = 0;
  std::uint8_t max_qos_ = 2;
  bool retain_available_ = true;
  std::uint32_t max_packet_size_ = mqtt::kMaxPacketSize;

  OutWindow window_;
  std::vector<mqtt::PacketId> resend_;  ///< what a new connection still has to send again, next at the end
  IdSet inbound_;                       ///< QoS 2 from the broker, PUBREL awaited
  OutAliases out_aliases_;
  InAliases in_aliases_;
  std::uint64_t requests_ = 0;  ///< bit n: request id kFirstRequest + n is unanswered
  std::uint8_t next_request_ = 0;
};

}  // namespace sb::client
