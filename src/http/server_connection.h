// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>

#include "http/server.h"

namespace sb::http {

/// "127.0.0.1:80", "[::1]:80".
std::string text_of(const boost::asio::ip::tcp::endpoint& e);

/// One connection of a server.
///
///     idle → reading → answering → writing → idle … → lingering → closed       (any → closed)
///
/// Owner: the control thread; it lives as long as its server has it or something is under way.
class ServerConnection final : public std::enable_shared_from_this<ServerConnection> {
 public:
  /// What it needs of its server, which outlives what it is in.
  class Owner {
   public:
    virtual const Server::Options& options() const = 0;
    virtual void asked(ServerRequest request, Reply reply) = 0;
    /// It could make way for another one now.
    virtual void idle() = 0;
    virtual void closed(ServerConnection& c) = 0;

   protected:
    ~Owner() = default;
  };
  using Clock = std::chrono::steady_clock;

  ServerConnection(std::shared_ptr<Owner> owner, boost::asio::ip::tcp::socket socket);
  void start() { wait(); }
  bool is_idle() const { return phase_ == Phase::idle; }
  Clock::time_point since() const { return since_; }  ///< when its phase began
  /// The request that it has is the last one.
  void finish();
  void close();

 private:
  using Error = const boost::system::error_code&;
  enum class Phase { idle, reading, answering, writing, lingering, closed };
  void enter(Phase p, Millis deadline);
  void on_deadline();
  void wait();
  void read();
  void read_failed(Error e);
  void asked();
  std::optional<ServerResponse> refusal();
  void answer(std::uint64_t request, ServerResponse r);
  void refuse(unsigned status, std::string_view why);
  void written();
  void linger();
  void discard();

  const std::shared_ptr<Owner> owner_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  Phase phase_ = Phase::idle;
  Clock::time_point since_;
  std::uint64_t requests_ = 0;  ///< names the one under way, so that a late answer goes nowhere
  bool late_ = false;           ///< the request did not come in time
  bool keep_ = false;           ///< another request may follow
  bool last_ = false;           ///< the server wants none
  bool head_ = false;           ///< the answer goes without its body
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  std::array<char, 1024> rest_;
};

}  // namespace sb::http
