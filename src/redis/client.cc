// SPDX-License-Identifier: MIT
#include "redis/client.h"

#include "redis/client_repeated.h"

namespace sb::redis {

Client::Client(io::EventLoop& loop, const Url& url, Options options, Listener* listener)
    : loop_(loop), listener_(listener) {
  options.primary_only |= url.kind == Url::Kind::sentinel;
  options_ = std::make_shared<const Options>(std::move(options));
  topology_ = make_topology(loop, url, *options_, *this);
}

Client::~Client() {
  ending_ = true;
  // Their handlers may ask for connections, and get none.
  auto ended = std::exchange(connections_, {});
  ended.clear();
  while (!repeated_.empty()) repeated_.front()->give_up();
}

Connection* Client::connection(std::uint16_t slot, unsigned lane) {
  const Endpoint* e = topology_->primary(slot);
  return e ? reach(*e, lane) : nullptr;
}

Connection* Client::reach(const Endpoint& e, unsigned lane) {
  if (ending_) return nullptr;
  ConnectionPtr& c = connections_[{e, lane}];
  if (!c) {
    c = Connection::make(loop_, e, options_, this);
    c->start();
  }
  return c->up() ? c.get() : nullptr;
}

error_code Client::command(std::uint16_t slot, Args command, Handler& handler, std::uint64_t tag, Millis timeout,
                           unsigned lane) {
  if (!topology_->primary(slot)) return make_error_code(errc::no_primary);
  Connection* c = connection(slot, lane);
  return c ? c->command(command, handler, tag, timeout) : make_error_code(errc::not_connected);
}

error_code Client::ask(const Redirect& to, Args command, Handler& handler, std::uint64_t tag, Millis timeout,
                       unsigned lane) {
  Connection* c = reach(to.to, lane);
  if (!c) return make_error_code(errc::not_connected);
  if (error_code e = c->command({"ASKING"}, *this); e) return e;
  return c->command(command, handler, tag, timeout);
}

void Client::call(std::vector<std::string> words, std::string_view key, Millis within,
                  std::function<void(Outcome&)> done, unsigned lane) {
  repeated_.push_back(
      std::make_unique<Repeated>(*this, std::move(words), key_slot(key), within, std::move(done), lane));
  const auto self = std::prev(repeated_.end());
  (*self)->start(self);
}

void Client::on_topology() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (topology_->is_primary(it->first.first)) {
      ++it;
      continue;
    }
    // What was under way is unknown now, and who hears of it may ask for connections.
    const unsigned lane = it->first.second;
    ConnectionPtr gone = std::move(it->second);
    connections_.erase(it);
    if (listener_ && gone->up()) listener_->on_down(*gone, lane);
    gone.reset();
    it = connections_.begin();
  }
}

void Client::on_up(Connection& c) {
  if (listener_) listener_->on_up(c, lane_of(c));
}

void Client::on_down(Connection& c, error_code, const std::string&) {
  topology_->doubt();
  if (listener_) listener_->on_down(c, lane_of(c));
}

unsigned Client::lane_of(const Connection& c) const {
  for (auto& [where, connection] : connections_)
    if (connection.get() == &c) return where.second;
  return 0;
}

void Client::on_refused(Connection& c, const Outcome& o) {
  switch (o.refusal) {
    case Refusal::moved:
      if (auto r = redirect_of(o.value().text())) {
        if (r->to.host.empty()) r->to.host = c.endpoint().host;
        topology_->moved(*r);
      }
      return;
    case Refusal::read_only:
    case Refusal::not_a_primary:
    case Refusal::unblocked:
      topology_->doubt();
      return check_role(c);
    case Refusal::cluster_down:
    case Refusal::primary_down:
    case Refusal::try_again:
      return topology_->doubt();
    default:
      return;
  }
}

/// ROLE is answered behind all that was written: so every reply that there is has been read when the connection ends.
void Client::check_role(Connection& c) {
  if (!options_->primary_only || role_asked_ == &c) return;
  role_asked_ = &c;
  redis::call(c, {"ROLE"}, [this, &c](Outcome& o) {
    role_asked_ = nullptr;
    if (ending_ || !o.done() || o.value()[0].text() == "master") return;
    c.stop();
    if (listener_) listener_->on_down(c, lane_of(c));
    c.start();
  });
}

}  // namespace sb::redis
