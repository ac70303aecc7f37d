// SPDX-License-Identifier: MIT
// What other nodes may still be writing of a client, before it is claimed. docs/adr/0018.
#include <utility>

#include "ports/errc.h"
#include "store/redis_sessions.h"

namespace sb::store {
namespace {

using ports::errc;

constexpr Millis kLetGo{4000};             ///< other nodes, to say that they have nothing of a client
constexpr std::size_t kSettling = 20'000;  ///< clients that others ask for while a repair goes on

}  // namespace

/// They may not have noticed the failover: then they believe all that they have written to be there. Whoever sees the
/// mark has.
void RedisSessions::ask_others(Claim c, std::optional<MonoTime> until, Done<Claimed> done) {
  const std::uint64_t mark = next_nonce_++;
  const std::string key = keys_.session_mark(c.client_id, mark);
  call_(
      {"SET", key, "1", "PX", std::to_string(Millis(2 * kLetGo).count())}, key, kLetGo,
      [this, mark, c = std::move(c), until, done = std::move(done)](redis::Outcome& o) mutable {
        if (!o.done()) return done(make_error_code(errc::unavailable));
        let_go(mark, std::move(c), until, std::move(done));
      },
      redis::kControl);
}

void RedisSessions::let_go(std::uint64_t mark, Claim c, std::optional<MonoTime> until, Done<Claimed> done) {
  const std::string id = c.client_id;
  life_.let_go(
      id, mark, writer_.loop().now() + kLetGo,
      [this, c = std::move(c), then = writer_.reconnections(), until, done = std::move(done)](bool sure) mutable {
        // Meanwhile the client may have come in again, on any node: it would lose the session to nobody.
        if (!sure || (c.given_up && *c.given_up)) return done(make_error_code(errc::unavailable));
        if (writer_.reconnections() != then) return claim(std::move(c), until, std::move(done));
        claim_now(std::move(c), until, std::move(done));
      });
}

void RedisSessions::settle(const std::string& client_id, std::uint64_t mark, std::function<void()> done) {
  look_for_mark(keys_.session_mark(client_id, mark), writer_.loop().now() + kLetGo,
                [this, client_id, done = std::move(done)] { settle_here(client_id, done); });
}

/// With a command that only a primary takes.
void RedisSessions::look_for_mark(const std::string& key, MonoTime until, std::function<void()> found) {
  call_(
      {"PEXPIRE", key, std::to_string(Millis(2 * kLetGo).count())}, key, kLetGo,
      [this, key, until, found = std::move(found)](redis::Outcome& o) {
        if (o.done() && o.value().integer() == 1) return found();
        if (writer_.loop().now() < until)
          unseen_.push_back([this, key, until, found] { look_for_mark(key, until, found); });
      },
      redis::kControl);
}

/// Behind whatever is under way for the record and its repair, and behind the repair of all logs: of what this node has
/// taken from the client, nothing may come behind what the next one takes.
void RedisSessions::settle_here(const std::string& client_id, std::function<void()> done) {
  if (writer_.repairing()) {
    if (settling_.size() < kSettling) settling_.emplace_back(client_id, std::move(done));
    return;
  }
  auto it = sessions_.find(client_id);
  if (it == sessions_.end()) return done();
  StoredSession& s = *it->second;
  if (s.owned && std::exchange(s.checked, check_round_) != check_round_) row(s).check();
  if (!s.row || s.row->settled()) return done();
  outbound(client_id, 0, [done = std::move(done)](auto) { done(); });
}

}  // namespace sb::store
