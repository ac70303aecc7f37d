// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/out_buffer.h"
#include "io/event_loop.h"
#include "io/tls.h"
#include "redis/link.h"
#include "redis/lookup.h"
#include "redis/reply_reader.h"

namespace sb::redis {

class Connection;

/// What is told of a connection's life. The first two calls may end the connection.
class ConnectionListener {
 public:
  /// Commands are taken.
  virtual void on_up(Connection& c) = 0;
  /// The connection, or an attempt, is over; the next attempt is made by itself.
  virtual void on_down(Connection& c, error_code why, const std::string& detail) = 0;
  /// A command was refused; its handler is told behind this. Must not end the connection.
  virtual void on_refused(Connection&, const Outcome&) {}

 protected:
  ~ConnectionListener() = default;
};

struct RetireConnection {
  void operator()(Connection* c) const;
};
/// Reset at any time on the loop's thread, also from a call of the connection: that is stop(), and the memory goes with
/// the end of the turn. What its commands' handlers use must still be there.
using ConnectionPtr = std::unique_ptr<Connection, RetireConnection>;

/// One connection to one server, over TCP or a Unix socket, with TLS if asked for: a socket that drives a Link. The
/// commands of a turn go out together at its end. Owner: the loop's thread; others use loop.post_fn().
class Connection final : io::EventHandler, io::TurnEnd, io::Timer, LinkHost {
 public:
  /// `listener` null: nobody.
  static ConnectionPtr make(io::EventLoop& loop, Endpoint endpoint, std::shared_ptr<const Options> options,
                            ConnectionListener* listener = nullptr);

  /// Begins to connect, and does so again until stop().
  void start();
  /// Closes abortively. What is under way has the outcomes `unknown` and `not_sent`.
  void stop();
  /// The server is not to be trusted: closes it as stop() does, and another attempt follows.
  void renew(error_code why, const std::string& detail);

  /// Null, and the outcome will come; or not_connected, pipeline_full, and it will not.
  error_code command(Args command, Handler& handler, std::uint64_t tag = 0, Millis timeout = Millis(0));
  bool up() const { return link_.state() == Link::State::up; }
  /// Of its latest socket, among all of the process: another number, and something may have happened in between. 0 = it
  /// has had none.
  std::uint64_t socket_id() const { return socket_id_; }
  /// Commands without a reply.
  std::size_t pending() { return link_.pipeline().size(); }
  const Endpoint& endpoint() const { return endpoint_; }
  io::EventLoop& loop() { return loop_; }

 private:
  friend struct RetireConnection;
  Connection(io::EventLoop& loop, Endpoint endpoint, std::shared_ptr<const Options> options,
             ConnectionListener* listener);
  ~Connection();
  void retire();

  // EventHandler, TurnEnd, Timer
  void on_events(std::uint32_t events) override;
  void on_end_of_turn() override;
  void on_timer() override;
  // LinkHost
  void open() override;
  void close() override;
  void on_link_up() override;
  void on_link_down(error_code why, const std::string& detail) override;
  void on_link_refused(const Outcome& outcome) override {
    if (listener_) listener_->on_refused(*this, outcome);
  }

  void try_next_address();
  error_code open_socket(const Address& a);
  void on_connect_result();
  void tls_progress(io::TlsStatus status);
  bool ready() const { return fd_ >= 0 && !connecting_ && (!tls_ || tls_->established()); }
  void read(bool end);
  bool take(std::string_view ciphertext);
  bool deliver();
  void flush();
  void encrypt();
  void alert();
  bool send_all(OutBuffer& from, bool plain);
  void mark();
  void rearm();
  void again();
  io::TlsOutput into_wire();

  io::EventLoop& loop_;
  const Endpoint endpoint_;
  const std::shared_ptr<const Options> options_;
  ConnectionListener* listener_;
  Link link_;
  Lookup lookup_;
  ReplyReader reader_;
  std::optional<io::TlsStream> tls_;
  OutBuffer wire_;  ///< encrypted
  std::vector<Address> addresses_;
  std::size_t next_address_ = 0;
  error_code last_error_;
  int fd_ = -1;
  std::uint64_t socket_id_ = 0;
  bool connecting_ = false;
  bool blocked_ = false;  ///< the socket takes no more for now
  bool retired_ = false;
  unsigned turn_ends_ = 0;  ///< that the loop owes us
  bool said_down_ = false;
  log::RateLimit log_limit_{Seconds(10)};
};

}  // namespace sb::redis
