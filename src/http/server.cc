// SPDX-License-Identifier: MIT
#include "http/server.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <set>
#include <utility>

#include "base/log.h"
#include "http/server_connection.h"

namespace sb::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {
constexpr Millis kRetry{100};  // after the process ran out of file descriptors
}

/// The listening socket and its connections. Everything but open() runs on the control thread.
class Server::Listener final : public ControlThread::Work,
                               public ServerConnection::Owner,
                               public std::enable_shared_from_this<Listener> {
 public:
  Listener(asio::io_context& io, Options options, ServerHandler handler)
      : options_(std::move(options)), handler_(std::move(handler)), io_(io), acceptor_(io), retry_(io) {}

  error_code open();
  void start() { accept(); }
  void set_hosts(HostRules hosts) { options_.hosts = std::move(hosts); }
  /// `done`: there is no connection any more.
  void finish(std::function<void()> done);
  void stop() override;

  asio::io_context& io() { return io_; }
  const std::string& address() const { return address_; }

  // --- ServerConnection::Owner
  const Options& options() const override { return options_; }
  void asked(ServerRequest request, Reply reply) override { handler_(std::move(request), std::move(reply)); }
  void idle() override {
    if (std::exchange(stuck_, false)) accept();
  }
  void closed(ServerConnection& c) override;

 private:
  void accept();
  void watch();
  void accepted(error_code e, tcp::socket socket);
  bool make_room();

  Options options_;
  const ServerHandler handler_;
  asio::io_context& io_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::string address_;
  std::set<std::shared_ptr<ServerConnection>> connections_;
  bool accepting_ = false;
  bool watching_ = false;  ///< full: hears of newcomers, and leaves them where they are
  bool stuck_ = false;     ///< there are some, and no connection is idle
  bool ending_ = false;
  std::function<void()> on_empty_;
  log::RateLimit log_limit_;
};

error_code Server::Listener::open() {
  error_code e;
  tcp::resolver resolver(io_);
  const auto found = resolver.resolve(options_.host, std::to_string(options_.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, e);
  for (auto& entry : found) {
    const tcp::endpoint at = entry.endpoint();
    if (acceptor_.is_open()) acceptor_.close(e);
    if (acceptor_.open(at.protocol(), e)) continue;
    acceptor_.set_option(tcp::acceptor::reuse_address(true), e);
    if (at.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(options_.host != "::"), e);
    if (acceptor_.bind(at, e) || acceptor_.listen(asio::socket_base::max_listen_connections, e)) continue;
    address_ = text_of(acceptor_.local_endpoint(e));
    return e;
  }
  return e ? e : error_code(EADDRNOTAVAIL, boost::system::system_category());
}

void Server::Listener::accept() {
  if (accepting_ || ending_) return;
  if (connections_.size() >= options_.connections) return watch();
  accepting_ = true;
  acceptor_.async_accept([self = shared_from_this()](const error_code& e, tcp::socket socket) {
    self->accepting_ = false;
    self->accepted(e, std::move(socket));
  });
}

/// Who comes now waits in the system's queue, unless somebody can make way for him.
void Server::Listener::watch() {
  if (std::exchange(watching_, true)) return;
  acceptor_.async_wait(tcp::acceptor::wait_read, [self = shared_from_this()](const error_code& e) {
    self->watching_ = false;
    if (e || self->ending_) return;
    if (self->make_room())
      self->accept();
    else
      self->stuck_ = true;
  });
}

/// Closes the connection that has been idle longest; false when none is.
bool Server::Listener::make_room() {
  std::shared_ptr<ServerConnection> oldest;
  for (auto& c : connections_)
    if (c->is_idle() && (!oldest || c->since() < oldest->since())) oldest = c;
  if (!oldest) return connections_.size() < options_.connections;
  oldest->close();
  return true;
}

void Server::Listener::accepted(error_code e, tcp::socket socket) {
  if (ending_ || e == asio::error::operation_aborted) return;
  if (e) {
    if (log_limit_.pass()) log::error("accept failed listener={} error=\"{}\"", address_, e.message());
    retry_.expires_after(kRetry);
    retry_.async_wait([self = shared_from_this()](const error_code& over) {
      if (!over) self->accept();
    });
    return;
  }
  socket.set_option(tcp::no_delay(true), e);
  auto c = std::make_shared<ServerConnection>(shared_from_this(), std::move(socket));
  connections_.insert(c);
  c->start();
  accept();
}

void Server::Listener::closed(ServerConnection& c) {
  connections_.erase(c.shared_from_this());
  if (ending_ && connections_.empty() && on_empty_) std::exchange(on_empty_, nullptr)();
  stuck_ = false;
  accept();
}

void Server::Listener::finish(std::function<void()> done) {
  error_code ignored;
  ending_ = true;
  retry_.cancel();
  acceptor_.close(ignored);
  on_empty_ = std::move(done);
  for (auto& c : std::set(connections_)) c->finish();
  if (connections_.empty() && on_empty_) std::exchange(on_empty_, nullptr)();
}

void Server::Listener::stop() {
  finish(nullptr);
  for (auto& c : std::set(connections_)) c->close();
}

result<std::unique_ptr<Server>> Server::open(ControlThread& thread, Options options, ServerHandler handler) {
  auto listener = std::make_shared<Listener>(thread.io(), std::move(options), std::move(handler));
  if (error_code e = listener->open()) return e;
  thread.add(listener);
  return std::unique_ptr<Server>(new Server(std::move(listener)));
}

Server::Server(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}

Server::~Server() { stop(Millis(0)); }

const std::string& Server::address() const { return listener_->address(); }

void Server::start() {
  asio::post(listener_->io(), [l = listener_] { l->start(); });
}

void Server::set_hosts(HostRules hosts) {
  asio::post(listener_->io(), [l = listener_, hosts = std::move(hosts)]() mutable { l->set_hosts(std::move(hosts)); });
}

void Server::stop(Millis patience) {
  auto run = [this](auto f) {  // on the control thread, and waits for it
    auto over = std::make_shared<std::promise<void>>();
    asio::post(listener_->io(), [f, over] { f(over); });
    return over->get_future();
  };
  using Over = std::shared_ptr<std::promise<void>>;
  auto empty = run([l = listener_](const Over& over) { l->finish([over] { over->set_value(); }); });
  if (empty.wait_for(patience) == std::future_status::ready) return;
  run([l = listener_](const Over& over) {
    l->stop();
    over->set_value();
  }).wait();
}

}  // namespace sb::http
