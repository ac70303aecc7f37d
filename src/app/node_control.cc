// SPDX-License-Identifier: MIT
#include "app/node_control.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "broker/core.h"

namespace sb::app {

namespace asio = boost::asio;
using admin::Answers;
using admin::Where;
using broker::Core;

namespace {

/// A page that is being looked for is handed out as it is before the time for its answer is over.
constexpr Millis kLookFor = admin::kDeadline - Millis(200);

/// Where a list goes on: "NODE:SHARD:PLACE".
struct Cursor {
  std::size_t shard = 0;
  std::uint32_t place = 0;
  std::string text(const std::string& node) const { return fmt::format("{}:{}:{}", node, shard, place); }
};

template <class T>
bool parse_number(std::string_view text, T& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<Cursor> parse_cursor(std::string_view text, std::string_view node, std::size_t shards) {
  Cursor c;
  if (text.empty()) return c;
  if (!text.starts_with(node) || text.substr(node.size(), 1) != ":") return std::nullopt;
  text.remove_prefix(node.size() + 1);
  const std::size_t colon = text.find(':');
  if (colon == text.npos || !parse_number(text.substr(0, colon), c.shard) ||
      !parse_number(text.substr(colon + 1), c.place) || c.shard >= shards)
    return std::nullopt;
  return c;
}

}  // namespace

/// A question under way: answered by this node, or, when its time is over, by its silence. Control thread.
template <class T>
class NodeControl::Asked : public std::enable_shared_from_this<Asked<T>> {
 public:
  Asked(asio::io_context& io, std::string node, Done<T> done)
      : node_(std::move(node)), done_(std::move(done)), io_(io), timer_(std::in_place, io, admin::kDeadline) {}
  void start() {
    timer_->async_wait([self = this->shared_from_this()](const error_code& e) {
      if (e || !self->done_) return;
      Answers<T> silence;
      silence.silent.push_back(self->node_);
      self->finish(std::move(silence));
    });
  }
  bool open() const { return done_ != nullptr; }
  void answer(T value) {
    if (!done_) return;
    Answers<T> answers;
    answers.nodes.push_back({node_, std::move(value)});
    finish(std::move(answers));
  }
  /// Runs `f` on a shard's loop, and `then` with what it answers on the control thread.
  template <class F, class Then>
  void on_shard(Core& core, F f, Then then) {
    core.loop().post_fn([self = this->shared_from_this(), core = &core, f = std::move(f), then = std::move(then)] {
      asio::post(self->io_, [self, then, value = f(*core)]() mutable {
        if (self->open()) then(std::move(value));
      });
    });
  }

 private:
  /// A shard that hangs may keep this longer than there is an io_context.
  void finish(Answers<T> answers) {
    timer_.reset();
    std::exchange(done_, nullptr)(std::move(answers));
  }
  const std::string node_;
  Done<T> done_;
  asio::io_context& io_;
  std::optional<asio::steady_timer> timer_;
};

template <class T>
std::shared_ptr<NodeControl::Asked<T>> NodeControl::ask(Done<T> done) {
  auto asked = std::make_shared<Asked<T>>(parts_.thread.io(), node(), std::move(done));
  asked->start();
  return asked;
}

/// True when another node is asked, of which this one does not know; then `done` has heard so.
template <class T>
bool NodeControl::is_elsewhere(const Where& where, const Done<T>& done) const {
  if (where.all() || where.node == node()) return false;
  Answers<T> nobody;
  nobody.problem = admin::Problem::unknown_node;
  done(std::move(nobody));
  return true;
}

// ---------------------------------------------------------------- status

admin::NodeState NodeControl::state() const {
  if (!parts_.drain.on()) return admin::NodeState::serving;
  return parts_.drain.connections() > 0 ? admin::NodeState::draining : admin::NodeState::drained;
}

admin::NodeStatus NodeControl::status_now() const {
  admin::NodeStatus s;
  s.version = SIGNALBOX_VERSION;
  s.uptime = std::chrono::duration_cast<Seconds>(std::chrono::steady_clock::now() - started_);
  s.state = state();
  s.store = parts_.store_kind;
  if (parts_.store.engine) s.store_problem = parts_.store.engine->unavailable();
  s.memory_full = parts_.node.memory_full.load(std::memory_order_relaxed);
  s.memory = memory_.resident();
  s.shards = parts_.node.cores.size();
  s.connections = parts_.drain.connections();
  s.retained = parts_.store.retained->count();
  for (Core* c : parts_.node.cores) {
    s.clients += c->counters.connections.get();
    s.subscriptions += c->counters.subscriptions.get();
    s.messages_received += c->counters.publishes_received.get();
    s.messages_sent += c->counters.publishes_sent.get();
  }
  for (auto& l : parts_.listeners)
    s.listeners.push_back({l.kind, l.acceptor->address(), l.acceptor->is_open(),
                           l.acceptor->context().connections.load(std::memory_order_relaxed)});
  if (parts_.shared) s.shared = parts_.shared();
  // Nothing is written without a lease, whether anybody has found out by trying or not.
  if (s.shared && s.store_problem.empty()) {
    if (s.shared->cluster.lease == Millis(0))
      s.store_problem = "Redis has not renewed the lease of this node";
    else if (!s.shared->cluster.member)
      s.store_problem = "this node is not a member of its cluster at present";
  }
  return s;
}

/// Nothing of it has to be asked for; but only a node whose shards all run is one that answers.
void NodeControl::status(const Where& where, Done<admin::NodeStatus> done) {
  if (is_elsewhere(where, done)) return;
  auto asked = ask(std::move(done));
  auto waits = std::make_shared<std::size_t>(parts_.node.cores.size());
  for (Core* c : parts_.node.cores)
    asked->on_shard(
        *c, [](Core&) { return true; },
        [this, asked, waits](bool) {
          if (--*waits == 0) asked->answer(status_now());
        });
}

// ---------------------------------------------------------------- clients

/// A page under way.
struct NodeControl::Listing {
  std::shared_ptr<Asked<admin::ClientPage>> asked;
  std::chrono::steady_clock::time_point until;
  Cursor at;
  std::size_t room;
  std::size_t bytes = 0;
  std::string filter;
  admin::ClientPage page;
};

void NodeControl::clients(const Where& where, const admin::ClientQuery& query, Done<admin::ClientPage> done) {
  if (is_elsewhere(where, done)) return;
  const auto at = parse_cursor(query.after, node(), parts_.node.cores.size());
  if (!at) {
    Answers<admin::ClientPage> nobody;
    nobody.problem = admin::Problem::bad_cursor;
    return done(std::move(nobody));
  }
  auto l = std::make_shared<Listing>();
  l->asked = ask(std::move(done));
  l->until = std::chrono::steady_clock::now() + kLookFor;
  l->at = *at;
  l->room = query.limit;
  l->filter = query.filter;
  list(l);
}

/// A piece of a shard's list, the next one in another turn, until the page is full, its time is over or all were seen.
void NodeControl::list(const std::shared_ptr<Listing>& l) {
  auto look = [place = l->at.place, room = l->room, filter = l->filter](Core& core) {
    broker::ClientList piece;
    piece.filter = filter;
    piece.limit = room;
    piece.next = place;
    core.list_clients(piece);
    return piece;
  };
  l->asked->on_shard(*parts_.node.cores[l->at.shard], look, [this, l](broker::ClientList piece) {
    l->at.place = piece.next;
    l->room -= piece.found.size();
    l->bytes += piece.bytes;
    for (auto& c : piece.found) l->page.clients.push_back(std::move(c));
    if (piece.over) l->at = {l->at.shard + 1, 0};
    const bool all = l->at.shard == parts_.node.cores.size();
    const bool full = l->room == 0 || l->bytes >= broker::ClientList::kBytes;
    if (!all && !full && std::chrono::steady_clock::now() < l->until) return list(l);
    if (!all) l->page.next = l->at.text(node());
    l->asked->answer(std::move(l->page));
  });
}

// ---------------------------------------------------------------- what changes something

void NodeControl::kick(const Where& where, const std::string& client_id, Done<bool> done) {
  if (is_elsewhere(where, done)) return;
  auto asked = ask(std::move(done));
  parts_.node.disconnect(client_id, mqtt::Reason::administrative_action,
                         [asked, io = &parts_.thread.io()](bool was_there) {
                           asio::post(*io, [asked, was_there] { asked->answer(was_there); });
                         });
}

void NodeControl::drain(const Where& where, bool on, Done<admin::DrainState> done) {
  if (is_elsewhere(where, done)) return;
  auto asked = ask(std::move(done));
  auto change = [this, on](Core&) {
    std::string problem;
    if (on)
      parts_.drain.begin(drain_rate_);
    else
      problem = parts_.drain.end();
    return problem;
  };
  asked->on_shard(*parts_.node.cores.front(), change, [this, asked](std::string problem) {
    asked->answer({state(), parts_.drain.connections(), std::move(problem)});
  });
}

}  // namespace sb::app
