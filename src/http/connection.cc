// SPDX-License-Identifier: MIT
#include "http/connection.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <concepts>

namespace sb::http {

namespace asio = boost::asio;
namespace beast = boost::beast::http;
using asio::ip::tcp;

Connection::~Connection() { OPENSSL_cleanse(request_.body().data(), request_.body().size()); }

template <class F>
void Connection::with_stream(F f) {
  if (tls_)
    f(*tls_);
  else
    f(socket_);
}

template <class F>
auto Connection::then(F next) {
  return [ self = shared_from_this(),
           next ](Error e, auto&&... rest) requires std::invocable<const F&, Connection&, decltype(rest)...> {
    if (e) return self->finish(e);
    if (self->closed_) return self->finish(errc::closed);
    next(*self, rest...);
  };
}

void Connection::exchange(const Request& r, Done done) {
  done_ = std::move(done);
  ++exchanges_;
  reusable_ = false;
  parser_.emplace();
  parser_->body_limit(options_.max_body);
  parser_->header_limit(static_cast<std::uint32_t>(options_.max_header));
  request_ = {beast::verb::unknown, r.target, 11, r.body};
  request_.method_string(r.method);
  request_.set(beast::field::host, options_.server.host_header());
  request_.set(beast::field::user_agent, "signalbox");
  for (auto& [name, value] : r.headers) request_.set(name, value);
  request_.prepare_payload();
  if (connected_)
    write();
  else
    resolve();
}

void Connection::resolve() {
  const auto& server = options_.server;
  error_code no_address;
  const auto address = asio::ip::make_address(server.host, no_address);
  if (!no_address) return connect(tcp::resolver::results_type::create({address, server.port}, server.host, ""));
  resolver_.async_resolve(
      server.host, std::to_string(server.port),
      then([](Connection& c, const tcp::resolver::results_type& endpoints) { c.connect(endpoints); }));
}

void Connection::connect(const tcp::resolver::results_type& endpoints) {
  asio::async_connect(socket_, endpoints, then([](Connection& c, const tcp::endpoint&) {
                        error_code ignored;
                        c.socket_.set_option(tcp::no_delay(true), ignored);
                        c.connected_ = true;
                        if (c.options_.server.tls)
                          c.shake_hands();
                        else
                          c.write();
                      }));
}

void Connection::shake_hands() {
  const std::string& host = options_.server.host;
  tls_.emplace(socket_, tls_context_);
  tls_->set_verify_mode(asio::ssl::verify_peer);
  tls_->set_verify_callback(asio::ssl::host_name_verification(host));
  error_code no_address;
  asio::ip::make_address(host, no_address);
  if (no_address) SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());  // RFC 6066 3: no addresses
  tls_->async_handshake(asio::ssl::stream_base::client, then([](Connection& c) { c.write(); }));
}

void Connection::write() {
  with_stream([this](auto& stream) {
    beast::async_write(stream, request_, then([](Connection& c, std::size_t) { c.read(); }));
  });
}

void Connection::read() {
  with_stream([this](auto& stream) {
    beast::async_read(stream, buffer_, *parser_, then([](Connection& c, std::size_t) { c.answered(); }));
  });
}

void Connection::answered() {
  auto& answer = parser_->get();
  if (answer.result_int() < 200) return finish(errc::unexpected);
  // What came behind the answer belongs to no request.
  reusable_ = parser_->keep_alive() && buffer_.size() == 0;
  finish(Response{answer.result_int(), std::move(answer.body())});
}

void Connection::finish(result<Response> r) {
  OPENSSL_cleanse(request_.body().data(), request_.body().size());
  if (!reusable_) close();
  std::exchange(done_, nullptr)(std::move(r));
}

void Connection::close() {
  error_code ignored;
  closed_ = true;
  reusable_ = false;
  resolver_.cancel();
  socket_.close(ignored);
}

}  // namespace sb::http
