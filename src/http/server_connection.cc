// SPDX-License-Identifier: MIT
#include "http/server_connection.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>
#include <utility>

namespace sb::http {

namespace asio = boost::asio;
namespace beast = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr Millis kLinger{2000};                 // for a client to read the last answer, and to close
constexpr std::size_t kHeadAndMore = 4 * 1024;  // bytes that the buffer has beside a head

std::string now_text() {  // RFC 9110 5.6.7
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr)));
}

}  // namespace

std::string text_of(const tcp::endpoint& e) {
  const std::string address = e.address().to_string();
  return e.address().is_v6() ? fmt::format("[{}]:{}", address, e.port()) : fmt::format("{}:{}", address, e.port());
}

ServerConnection::ServerConnection(std::shared_ptr<Owner> owner, tcp::socket socket)
    : owner_(std::move(owner)),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      since_(Clock::now()),
      buffer_(owner_->options().max_head + kHeadAndMore) {}

void ServerConnection::enter(Phase p, Millis deadline) {
  phase_ = p;
  since_ = Clock::now();
  timer_.expires_at(since_ + deadline);
  timer_.async_wait([self = shared_from_this(), at = since_](Error e) {
    if (!e && self->phase_ != Phase::closed && self->since_ == at) self->on_deadline();
  });
}

void ServerConnection::on_deadline() {
  error_code ignored;
  switch (phase_) {
    case Phase::reading:
      late_ = true;
      socket_.cancel(ignored);  // read_failed() follows
      return;
    case Phase::answering:
      keep_ = false;
      return answer(requests_, error_response(504, "there was no answer in time"));
    default:
      return close();
  }
}

// ---------------------------------------------------------------- in

void ServerConnection::wait() {
  if (last_) return linger();
  const auto& options = owner_->options();
  parser_.emplace();
  parser_->header_limit(options.max_head);
  parser_->body_limit(options.max_body);
  if (buffer_.size() > 0) return read();
  enter(Phase::idle, options.idle);
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](Error e) {
    if (!e && self->phase_ == Phase::idle) self->read();
  });
  owner_->idle();
}

void ServerConnection::read() {
  enter(Phase::reading, owner_->options().timeout);
  beast::async_read(socket_, buffer_, *parser_, [self = shared_from_this()](Error e, std::size_t) {
    if (self->phase_ != Phase::reading) return;
    if (e)
      self->read_failed(e);
    else
      self->asked();
  });
}

void ServerConnection::read_failed(Error e) {
  if (late_) return refuse(408, "the request did not come in time");
  if (e == beast::error::header_limit || e == beast::error::buffer_overflow)
    return refuse(431, fmt::format("the head is larger than {} bytes", owner_->options().max_head));
  if (e == beast::error::body_limit)
    return refuse(413, fmt::format("the body is larger than {} bytes", owner_->options().max_body));
  static const auto& of_beast = make_error_code(beast::error::bad_value).category();
  if (e.category() != of_beast || e == beast::error::end_of_stream || e == beast::error::partial_message)
    return close();
  refuse(400, "this is no request of HTTP/1.1");
}

/// What is wrong with the request whatever it asks for.
std::optional<ServerResponse> ServerConnection::refusal() {
  const auto& m = parser_->get();
  const std::size_t hosts = m.count(beast::field::host);
  const std::string_view host = m[beast::field::host], target = m.target();
  // RFC 9112 3.2. Only 1.0 may do without: what checks health and is old.
  if (hosts > 1 || (hosts == 0 && m.version() != 10)) return error_response(400, "there has to be one header Host");
  error_code e;
  const auto local = socket_.local_endpoint(e);
  const auto ip = Ip::parse(e ? std::string() : local.address().to_string()).value_or(Ip());
  const HostRules& rules = owner_->options().hosts;
  if (hosts == 1 && !rules.host(host, ip))
    return error_response(403, fmt::format("this server has no name \"{}\"", host.substr(0, 100)));
  const bool changes = m.method() != beast::verb::get && m.method() != beast::verb::head;
  const std::size_t origins = m.count(beast::field::origin);
  if (changes && origins > 0 && (origins > 1 || !rules.origin(m[beast::field::origin], host)))
    return error_response(403, "a page of another site may not ask for this");
  if (!target.starts_with('/')) return error_response(400, "the target has to be a path");
  if (m.count(beast::field::expect) > 0) return error_response(417, "send the body with the request");
  return std::nullopt;
}

void ServerConnection::asked() {
  auto& m = parser_->get();
  keep_ = m.keep_alive() && m.version() == 11 && !last_;
  head_ = m.method() == beast::verb::head;
  enter(Phase::answering, owner_->options().timeout);
  const std::uint64_t number = ++requests_;
  if (auto bad = refusal()) return answer(number, std::move(*bad));

  ServerRequest r;
  const std::string_view target = m.target();
  const std::size_t path = std::min(target.find('?'), target.size());
  r.method = m.method_string();
  r.path = target.substr(0, path);
  r.query = target.substr(std::min(path + 1, target.size()));
  r.body = std::move(m.body());
  r.authorization = m[beast::field::authorization];
  error_code e;
  if (const auto peer = socket_.remote_endpoint(e); !e) r.peer = text_of(peer);
  owner_->asked(std::move(r), [weak = weak_from_this(), io = socket_.get_executor(), number](ServerResponse answer) {
    asio::post(io, [weak, number, answer = std::move(answer)]() mutable {
      if (auto self = weak.lock()) self->answer(number, std::move(answer));
    });
  });
}

// ---------------------------------------------------------------- out

/// Of a request that was not understood: nothing can follow it.
void ServerConnection::refuse(unsigned status, std::string_view why) {
  keep_ = false;
  head_ = false;
  enter(Phase::answering, owner_->options().timeout);
  answer(++requests_, error_response(status, why));
}

void ServerConnection::answer(std::uint64_t request, ServerResponse r) {
  if (phase_ != Phase::answering || request != requests_) return;
  keep_ = keep_ && !last_;
  response_ = {};
  response_.result(r.status);
  response_.version(11);
  response_.set(beast::field::date, now_text());
  response_.set(beast::field::cache_control, "no-store");
  response_.set("X-Content-Type-Options", "nosniff");
  if (!r.body.empty()) response_.set(beast::field::content_type, r.content_type);
  for (auto& [name, value] : r.headers) response_.set(name, value);
  response_.keep_alive(keep_);
  response_.content_length(r.body.size());
  if (!head_) response_.body() = std::move(r.body);
  enter(Phase::writing, owner_->options().timeout);
  beast::async_write(socket_, response_, [self = shared_from_this()](Error e, std::size_t) {
    if (self->phase_ != Phase::writing) return;
    if (e)
      self->close();
    else
      self->written();
  });
}

void ServerConnection::written() {
  if (keep_)
    wait();
  else
    linger();
}

// ---------------------------------------------------------------- the end

/// A socket that is closed with something unread takes the answer away from the client: it is read, and thrown away.
void ServerConnection::linger() {
  error_code e;
  socket_.shutdown(tcp::socket::shutdown_send, e);
  if (e) return close();
  enter(Phase::lingering, kLinger);
  discard();
}

void ServerConnection::discard() {
  socket_.async_read_some(asio::buffer(rest_), [self = shared_from_this()](Error e, std::size_t) {
    if (self->phase_ != Phase::lingering) return;
    if (e)
      self->close();
    else
      self->discard();
  });
}

void ServerConnection::finish() {
  last_ = true;
  if (phase_ == Phase::idle) close();
}

void ServerConnection::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  owner_->closed(*this);
}

}  // namespace sb::http
