// SPDX-License-Identifier: MIT
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>

#include "http/client.h"

namespace sb::http {

/// One connection to a server, with one exchange at a time. It has no deadline: who wants to end an exchange closes it.
/// Owner: the control thread; it lives as long as something is under way.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::io_context& io, boost::asio::ssl::context& tls, const Client::Options& options)
      : options_(options), tls_context_(tls), resolver_(io), socket_(io) {}
  ~Connection();

  /// Connects when it is not connected. `request` stays until `done`, which is called later, once.
  void exchange(const Request& request, Done done);
  /// An exchange that is under way ends with an error, which may take until the name of the host is resolved.
  void close();

  /// After an answer: whether there may be another exchange.
  bool reusable() const { return reusable_; }
  /// After an error: whether it came on a connection that was kept, before any answer. Then the server may have closed
  /// it before it saw the request.
  bool was_stale() const { return exchanges_ > 1 && !parser_->got_some(); }

 private:
  using Error = const boost::system::error_code&;
  void resolve();
  void connect(const boost::asio::ip::tcp::resolver::results_type& endpoints);
  void shake_hands();
  void write();
  void read();
  void answered();
  void finish(result<Response> r);
  template <class F>
  void with_stream(F f);
  /// A handler that goes on with `next` unless there was an error.
  template <class F>
  auto then(F next);

  const Client::Options& options_;
  boost::asio::ssl::context& tls_context_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
  boost::beast::flat_buffer buffer_;
  boost::beast::http::request<boost::beast::http::string_body> request_;
  std::optional<boost::beast::http::response_parser<boost::beast::http::string_body>> parser_;
  Done done_;
  unsigned exchanges_ = 0;
  bool connected_ = false, closed_ = false, reusable_ = false;
};

}  // namespace sb::http
