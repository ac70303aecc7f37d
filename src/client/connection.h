// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/out_buffer.h"
#include "client/engine.h"
#include "client/hub.h"
#include "client/target.h"
#include "client/transport.h"
#include "io/event_loop.h"

namespace sb::client {

/// How connections are made. Shared by many; must outlive them.
struct Wiring {
  Target target;
  std::vector<Address> addresses;             ///< of the target (resolve()), tried in this order
  std::shared_ptr<const io::TlsContext> tls;  ///< target.tls
  std::string websocket_protocol = "mqtt";
  bool nodelay = true;
  Millis connect_timeout{10'000};             ///< from connect() to CONNACK, for each attempt
  Millis linger{2'000};                       ///< after DISCONNECT, for the broker to close
  Millis reconnect_min{0}, reconnect_max{0};  ///< pause before the next attempt, doubled each time; 0 = no reconnect
};

/// One client connection: a non-blocking socket that drives an Engine, over TCP or a unix socket, with TLS
/// and WebSocket if asked for. After Handler::on_closed() it can be connected again, or does that by itself
/// (Wiring::reconnect_max), and the session goes on. Owner: the thread of its hub. It must not be destroyed
/// inside a call of its handler.
class Connection final : io::EventHandler, Link, Transport::Receiver {
 public:
  /// `wiring`, `options` and `handler` must outlive it. `source`: local address, null = the system's choice.
  Connection(Hub& hub, const Wiring& wiring, const Options& options, std::string client_id, Handler& handler,
             const Address* source = nullptr);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Begins to connect. What comes of it is told to the handler: on_connected or on_closed.
  void connect();
  /// Says DISCONNECT, sends what is queued before it, and closes; on_closed follows with success. No
  /// reconnect.
  void disconnect(mqtt::Reason reason = mqtt::Reason::success, std::string_view properties = {});
  /// Closes at once, without a word and without on_closed. No reconnect.
  void abort();
  /// Whether on_closed will be followed by another attempt. Inside on_closed.
  bool will_retry() const { return retry_; }

  Engine& engine() { return engine_; }
  /// Nothing is queued for the socket.
  bool flushed() const { return out_.empty() && (!transport_ || transport_->wire().empty()); }
  const Target& target() const { return wiring_.target; }

 private:
  friend class Hub;
  enum class State : std::uint8_t { idle, connecting, layers, up, stopping, lingering, waiting };
  /// A timer that calls a member.
  struct Alarm final : io::Timer {
    Alarm(Connection& c, void (Connection::*f)()) : connection(c), call(f) {}
    void on_timer() override { (connection.*call)(); }
    Connection& connection;
    void (Connection::*call)();
  };

  // EventHandler, Link, Receiver
  void on_events(std::uint32_t events) override;
  void on_output() override { mark(); }
  void on_up() override;
  void on_stop(const Stop& stop) override;
  void on_plain(char* data, std::size_t n) override;

  // What the hub calls at the end of a turn, when marked.
  void visit();
  void mark() {
    if (!marked_) {
      marked_ = true;
      hub_.mark(this);
    }
  }

  void try_next_address();
  error_code open_socket(const Address& a);
  void on_connect_result();
  void layers_ready();
  void read();
  void end_of_input();
  void check_layers();
  void flush();
  bool send_all(OutBuffer& from);
  void begin_linger();
  void fail(error_code code, std::string detail = {});
  void finish();
  void close_socket();
  void on_deadline();
  void on_tick();
  Millis next_pause();

  Hub& hub_;
  const Wiring& wiring_;
  const Address* source_;
  Handler& handler_;
  OutBuffer out_;  ///< of the engine
  Engine engine_;
  std::unique_ptr<Transport> transport_;
  std::string tail_;  ///< beginning of a packet that is not whole yet
  int fd_ = -1;
  State state_ = State::idle;
  bool marked_ = false;
  bool blocked_ = false;  ///< the socket takes no more for now
  bool more_to_read_ = false;
  bool end_seen_ = false;  ///< the socket's end was announced, which is not said again
  bool final_ = false;     ///< the application has ended it: no reconnect
  bool retry_ = false;
  std::size_t next_address_ = 0;
  unsigned attempts_ = 0;  ///< since the last success
  Alarm deadline_{*this, &Connection::on_deadline};
  Alarm tick_{*this, &Connection::on_tick};

  struct Ending {
    error_code code;
    mqtt::Reason reason = mqtt::Reason::success;
    std::string text, server_reference;
  } ending_;  ///< why it ends: state stopping and later
};

}  // namespace sb::client
