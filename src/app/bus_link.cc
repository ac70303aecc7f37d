// SPDX-License-Identifier: MIT
#include "app/bus_link.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "app/peer_messages.h"

namespace sb::app {

namespace asio = boost::asio;

template <class F>
bool BusLink::Door::pass(F f) {
  std::lock_guard lock(mutex);
  if (!link) return false;
  asio::post(link->control_.io(), [l = link, f = std::move(f)]() mutable { f(*l); });
  return true;
}

BusLink::BusLink(http::ControlThread& control, io::EventLoop& store, ClusterNode& cluster)
    : control_(control), store_(store), cluster_(cluster), timer_(std::make_unique<asio::steady_timer>(control.io())) {
  door_->link = this;
}

BusLink::~BusLink() {
  std::lock_guard lock(door_->mutex);
  door_->link = nullptr;
}

void BusLink::serve_with(Serve serve) {
  serve_ = std::move(serve);
  cluster_.set_requests([door = door_](std::string kind, std::string body, Reply reply) {
    const bool passed = door->pass(
        [kind = std::move(kind), body = std::move(body), reply](BusLink& link) { link.serve(kind, body, reply); });
    if (!passed) reply(refusal_text("it ends"));
  });
}

void BusLink::close() {
  {
    std::lock_guard lock(door_->mutex);
    door_->link = nullptr;
  }
  std::promise<void> closed;
  asio::post(control_.io(), [&] {  // behind all that has passed
    give_up(true);
    timer_.reset();
    closed_ = [&closed] { closed.set_value(); };
    if (serving_ == 0) std::exchange(closed_, nullptr)();
  });
  closed.get_future().wait();
}

// ---------------------------------------------------------------- this node asks

void BusLink::ask(const std::string& node, const std::string& kind, std::string body, cluster::Requests::Done done) {
  const std::uint64_t number = ++last_;
  Question q;
  q.nodes = node.empty() ? others() : std::vector<std::string>{node};
  q.until = std::chrono::steady_clock::now() + kHung;
  q.done = std::move(done);
  questions_.emplace(number, std::move(q));
  store_.post_fn([door = door_, cluster = &cluster_, number, node, kind, body = std::move(body)] {
    cluster->cluster().ask(node, kind, body, [door, number](Heard answers) {
      door->pass([number, answers = std::move(answers)](BusLink& link) { link.heard(number, answers); });
    });
  });
  if (questions_.size() == 1) wait();
}

void BusLink::heard(std::uint64_t number, Heard answers) {
  const auto it = questions_.find(number);
  if (it == questions_.end()) return;
  auto done = std::move(it->second.done);
  questions_.erase(it);
  done(std::move(answers));
}

/// For the oldest question, since all have the same time.
void BusLink::wait() {
  if (questions_.empty() || !timer_) return;
  timer_->expires_at(questions_.begin()->second.until);
  timer_->async_wait([this](const error_code& e) {
    if (e) return;
    give_up(false);
    wait();
  });
}

void BusLink::give_up(bool all) {
  const auto now = std::chrono::steady_clock::now();
  while (!questions_.empty() && (all || questions_.begin()->second.until <= now)) {
    Heard silence;
    silence.missing = std::move(questions_.begin()->second.nodes);
    heard(questions_.begin()->first, std::move(silence));
  }
}

// ---------------------------------------------------------------- others ask

void BusLink::serve(const std::string& kind, const std::string& body, const Reply& reply) {
  ++serving_;
  serve_(kind, body, [this, reply](std::string answer) {
    reply(std::move(answer));
    if (--serving_ == 0 && closed_) std::exchange(closed_, nullptr)();
  });
}

}  // namespace sb::app
