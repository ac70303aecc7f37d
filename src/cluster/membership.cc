// SPDX-License-Identifier: MIT
#include "cluster/membership.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "cluster/scripts.h"
#include "redis/slot_map.h"
#include "redis/writer.h"

namespace sb::cluster {
namespace {

constexpr Millis kPause{100};  // before the next attempt
constexpr Millis kAnswer{1000};
constexpr Millis kQuiet{1000};  // of trying, until it is said

/// "1700000000000 10.0.0.1:1883 0.1.0": the epoch, and what the node says of itself.
Members::Listed parse_listed(std::string_view s) {
  Members::Listed l;
  const auto [end, e] = std::from_chars(s.data(), s.data() + s.size(), l.epoch);
  if (e == std::errc() && end != s.data() + s.size()) l.detail = s.substr(static_cast<std::size_t>(end - s.data()) + 1);
  return l;
}

std::uint64_t number_of(redis::Reply::View v) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(v.integer().value_or(0), 0));
}

}  // namespace

Membership::Membership(io::EventLoop& loop, redis::Client& client, const store::RedisKeys& keys, Options o,
                       Listener& listener, Stats& stats)
    : loop_(loop),
      client_(client),
      keys_(keys),
      options_(std::move(o)),
      listener_(listener),
      stats_(stats),
      members_(options_.node, options_.lease) {}

Membership::~Membership() {
  *self_ = nullptr;
  loop_.timers().cancel(*this);
}

void Membership::again(MonoTime at) {
  if (!armed() || deadline() > at) loop_.timers().set(*this, at);
}

/// Not repeated: whoever asks does so again after a while.
void Membership::script(const redis::Script& s, std::vector<std::string> keys, std::vector<std::string> arguments,
                        Done done) {
  redis::Connection* c = client_.connection(redis::key_slot(keys.front()), redis::kControl);
  if (!c) {
    redis::Outcome o{redis::Outcome::Kind::not_sent, redis::Refusal::other, nullptr,
                     make_error_code(redis::errc::not_connected)};
    return done(o);
  }
  redis::call_script(
      *c, s, std::move(keys), std::move(arguments),
      [self = self_, done = std::move(done)](redis::Outcome& o) {
        if (*self) done(o);
      },
      std::min(kAnswer, options_.lease / 3));
}

// ---------------------------------------------------------------- becoming a member

void Membership::start() { begin(); }

void Membership::begin() {
  if (state_ == State::leaving) return;
  state_ = State::raising;
  registered_ = false;
  if (trying_since_ == kNever) trying_since_ = loop_.now();
  const auto retry = [this](const redis::Outcome& o) {
    if (loop_.now() - trying_since_ >= kQuiet && log_limit_.pass())
      log::warn("cluster node={} is no member yet: {}", options_.node, o.text());
    state_ = State::off;
    again(loop_.now() + kPause);
  };
  redis::Connection* c = client_.connection(redis::key_slot(own("epoch")), redis::kControl);
  if (!c) {
    redis::Outcome o{redis::Outcome::Kind::not_sent, redis::Refusal::other, nullptr,
                     make_error_code(redis::errc::not_connected)};
    return retry(o);
  }
  redis::call(
      *c, {"GET", own("epoch")},
      [this, self = self_, retry](redis::Outcome& o) {
        if (!*self || state_ != State::raising) return;
        if (!o.done()) return retry(o);
        const std::uint64_t stored = number_of(o.value());
        const auto ms = std::chrono::system_clock::now().time_since_epoch() / Millis(1);
        const std::uint64_t epoch = std::max({stored + 1, epoch_ + 1, static_cast<std::uint64_t>(ms)});
        script(*Scripts::get().raise, {own("epoch")}, {std::to_string(epoch)},
               [this, retry, epoch, stored](redis::Outcome& answer) {
                 if (state_ != State::raising) return;
                 if (!answer.done() || number_of(answer.value()) != epoch) return retry(answer);
                 epoch_ = epoch;
                 prepare(stored);
               });
      },
      kAnswer);
}

/// `previous`: the epoch before this one.
void Membership::prepare(std::uint64_t previous) {
  state_ = State::preparing;
  const auto retry = [this] {
    state_ = State::off;
    again(loop_.now() + kPause);
  };
  redis::Connection* c = client_.connection(redis::key_slot(keys_.nodes()), redis::kControl);
  if (!c) return retry();
  redis::call(
      *c, {"HGETALL", keys_.nodes()},
      [this, self = self_, retry, previous, epoch = epoch_](redis::Outcome& o) {
        if (!*self || state_ != State::preparing || epoch != epoch_) return;
        if (!o.done()) return retry();
        std::vector<std::string> listed;
        bool was_listed = false;
        const auto reply = o.value();
        for (auto it = reply.begin(); it != reply.end(); ++it, ++it) {
          std::string name((*it).text());
          if (name == options_.node)
            was_listed = true;
          else
            listed.push_back(name);
        }
        names_.insert(listed.begin(), listed.end());
        previous_ = was_listed ? previous : 0;
        listener_.on_epoch(epoch, std::move(listed), [this, self = self_, epoch] {
          if (*self && state_ == State::preparing && epoch == epoch_) enlist();
        });
      },
      kAnswer);
}

void Membership::enlist() {
  state_ = State::enlisting;
  script(*Scripts::get().enlist, {keys_.nodes()}, {options_.node, std::to_string(epoch_), options_.detail},
         [this, epoch = epoch_](redis::Outcome& o) {
           if (state_ != State::enlisting || epoch != epoch_) return;
           if (!o.done() || o.value().integer() != 1) {
             state_ = State::off;
             return again(loop_.now() + kPause);
           }
           state_ = State::member;
           trying_since_ = kNever;
           log::info("cluster node={} epoch={} is a member", options_.node, epoch_);
           next_renewal_ = next_look_ = loop_.now();
           for (auto& name : names_) ring(name, "look", epoch_);
           on_timer();
         });
}

void Membership::on_timer() {
  if (state_ == State::off) return begin();
  if (state_ != State::member) return;
  if (loop_.now() >= next_renewal_) renew();
  if (loop_.now() >= next_look_) look();
  again(std::min(next_renewal_, next_look_));
}

// ---------------------------------------------------------------- the own lease

void Membership::renew() {
  next_renewal_ = loop_.now() + options_.lease / 3;
  if (renewing_) return;
  renewing_ = true;
  const std::string value = std::to_string(epoch_) + " " + options_.detail + " " + load_;
  script(*Scripts::get().renew, {own("epoch"), own("fenced"), own("lease")},
         {std::to_string(epoch_), std::to_string(options_.lease.count()), value},
         [this, sent = loop_.now(), epoch = epoch_](redis::Outcome& o) {
           renewing_ = false;
           renewed(o, sent, epoch);
         });
}

void Membership::renewed(redis::Outcome& o, MonoTime sent, std::uint64_t epoch) {
  if (state_ != State::member || epoch != epoch_) return;
  const auto answer = o.done() ? o.value().integer() : std::nullopt;
  if (answer == 1) {
    until_ = std::max(until_, sent + options_.lease);
    listener_.on_lease(until_);
    // What an earlier life of this node left behind is this one's to put in order: nobody will find it now.
    if (const auto e = std::exchange(previous_, 0)) listener_.clean_up(options_.node, e, [] {});
    return;
  }
  if (answer == 0) return fenced("others have buried it", kPause);
  // Two processes with one name would bury each other as fast as they can.
  if (answer == -1) return fenced("another process has its name", options_.lease);
  if (log_limit_.pass()) log::warn("cluster node={} cannot renew its lease: {}", options_.node, o.text());
  next_renewal_ = std::min(next_renewal_, loop_.now() + kPause);
  again(next_renewal_);
}

void Membership::fenced(const char* why, Millis pause) {
  stats_.fenced.add();
  log::error("cluster node={} epoch={} is no member any more: {}; it begins again", options_.node, epoch_, why);
  until_ = MonoTime::min();
  state_ = State::off;
  members_.clear();
  burying_.clear();  // somebody else goes on with that
  listener_.on_lease(until_);
  listener_.on_fenced();
  loop_.timers().set(*this, loop_.now() + pause);  // not before: it may be armed for less
}

void Membership::told_fenced(std::uint64_t epoch) {
  if (state_ == State::member && epoch == epoch_) fenced("others have buried it", kPause);
}

void Membership::leave(std::function<void()> done) {
  const bool was_member = state_ == State::member;
  state_ = State::leaving;
  loop_.timers().cancel(*this);
  until_ = MonoTime::min();
  listener_.on_lease(until_);
  if (!was_member) return done();
  std::vector<std::string> keys = {own("epoch"), own("fenced"), own("lease"), keys_.inbox(options_.node, "")};
  for (auto& name : names_) keys.push_back(keys_.inbox(options_.node, name));
  script(*Scripts::get().leave, keys, {std::to_string(epoch_)}, [this, done = std::move(done)](redis::Outcome&) {
    script(*Scripts::get().strike, {keys_.nodes()}, {options_.node, std::to_string(epoch_)},
           [this, done](redis::Outcome&) {
             log::info("cluster node={} epoch={} has left", options_.node, epoch_);
             done();
           });
  });
}

// ---------------------------------------------------------------- the others

/// One round of reading: the list, then the keys of each node.
struct Membership::Look {
  std::uint64_t epoch;
  std::map<std::string, Members::Listed> listed;
  std::size_t awaited = 0;
  bool failed = false;
  bool own_listed = false;
};

void Membership::look() {
  if (state_ != State::member) return;
  next_look_ = loop_.now() + std::min<Millis>(options_.lease / 5, Seconds(1));
  if (looking_) {
    look_again_ = true;
    return;
  }
  auto l = std::make_shared<Look>();
  l->epoch = epoch_;
  redis::Connection* c = client_.connection(redis::key_slot(keys_.nodes()), redis::kControl);
  if (!c) return members_.doubt();
  looking_ = true;
  redis::call(
      *c, {"HGETALL", keys_.nodes()},
      [this, self = self_, l](redis::Outcome& o) {
        if (!*self) return;
        if (!o.done()) {
          looking_ = false;
          return members_.doubt();
        }
        const auto reply = o.value();
        for (auto it = reply.begin(); it != reply.end(); ++it) {
          std::string name((*it).text());
          ++it;
          if (it == reply.end()) break;
          names_.insert(name);
          l->listed.emplace(std::move(name), parse_listed((*it).text()));
        }
        read_all(l);
      },
      kAnswer);
}

void Membership::read_all(const std::shared_ptr<Look>& l) {
  if (state_ != State::member || l->epoch != epoch_) {
    looking_ = false;
    return;
  }
  const auto me = l->listed.find(options_.node);
  l->own_listed = me != l->listed.end() && me->second.epoch >= epoch_;
  happened(members_.listed(l->listed));
  auto names = members_.watched();
  names.push_back(options_.node);
  l->awaited = names.size();
  for (auto& name : names) {
    const auto answered = [this, self = self_, l, name](redis::Connection* c, redis::Outcome& o) {
      if (!*self) return;
      if (o.done() && state_ == State::member && l->epoch == epoch_) {
        const Members::Reading r{c->socket_id(), !o.value()[0].is_nil(), number_of(o.value()[1])};
        read_on_ = r.connection;
        if (name != options_.node)
          happened(members_.read(name, &r, loop_.now()));
        else if (!r.lease && loop_.now() < until_)  // Redis has forgotten it, and perhaps others
          members_.doubt(), next_renewal_ = loop_.now();
      } else {
        l->failed |= !o.done();
        if (name != options_.node) members_.read(name, nullptr, loop_.now());
      }
      if (--l->awaited == 0) looked(l);
    };
    redis::Connection* c = client_.connection(redis::key_slot(keys_.node(name, "lease")), redis::kControl);
    if (c) {
      redis::call(
          *c, {"MGET", keys_.node(name, "lease"), keys_.node(name, "fenced")},
          [answered, c](redis::Outcome& o) { answered(c, o); }, kAnswer);
    } else {
      redis::Outcome o{redis::Outcome::Kind::not_sent, redis::Refusal::other, nullptr, {}};
      answered(nullptr, o);
    }
  }
}

void Membership::looked(const std::shared_ptr<Look>& l) {
  looking_ = false;
  if (state_ != State::member || l->epoch != epoch_) return;
  if (!l->own_listed && registered_)
    script(*Scripts::get().enlist, {keys_.nodes()}, {options_.node, std::to_string(epoch_), options_.detail},
           [](redis::Outcome&) {});
  if (!l->failed && !registered_) {
    registered_ = true;
    listener_.on_registered();
  }
  if (l->failed || std::exchange(look_again_, false)) next_look_ = std::min(next_look_, loop_.now() + kPause / 5);
  again(std::min(next_renewal_, next_look_));
}

void Membership::happened(const std::vector<Members::Event>& events) {
  for (auto& e : events) {
    switch (e.kind) {
      case Members::Event::Kind::found:
        listener_.on_member(e.node, e.epoch, e.detail);
        break;
      case Members::Event::Kind::lost:
        stats_.members_lost.add();
        log::warn("cluster node={} epoch={} is no member any more", e.node, e.epoch);
        listener_.on_member_lost(e.node, e.epoch);
        break;
      case Members::Event::Kind::suspect:
        if (loop_.now() < until_) fence(e.node, e.epoch);
        break;
      case Members::Event::Kind::clean:
        if (loop_.now() < until_) bury(e.node, e.epoch);
        break;
      case Members::Event::Kind::undead:
        ring(e.node, "fenced", e.epoch);
        break;
    }
  }
}

/// On the connection on which the lease was seen to be gone: after a failover in between it may be there.
void Membership::fence(const std::string& node, std::uint64_t epoch) {
  const redis::Connection* c = client_.connection(redis::key_slot(keys_.node(node, "lease")), redis::kControl);
  if (!c || c->socket_id() != read_on_) return;
  script(*Scripts::get().fence, {keys_.node(node, "epoch"), keys_.node(node, "fenced"), keys_.node(node, "lease")},
         {std::to_string(epoch)}, [this, node, epoch](redis::Outcome& o) {
           if (!o.done() || o.value().integer() != 1) return;
           stats_.fences.add();
           log::warn("cluster node={} epoch={} has no lease any more: fenced", node, epoch);
           happened(members_.left(node, epoch));
           ring(node, "fenced", epoch);
           bury(node, epoch);
         });
}

/// Each step may be repeated, and does nothing once the node has come back.
void Membership::bury(const std::string& node, std::uint64_t epoch) {
  if (!burying_.emplace(node, epoch).second) return;
  listener_.clean_up(node, epoch, [this, self = self_, node, epoch] {
    if (!*self || !burying_.contains({node, epoch})) return;
    std::vector<std::string> keys = {keys_.node(node, "epoch"), keys_.node(node, "fenced"), keys_.inbox(node, "")};
    for (auto& from : names_) keys.push_back(keys_.inbox(node, from));
    keys.push_back(keys_.inbox(node, options_.node));
    script(*Scripts::get().clear, keys, {std::to_string(epoch)}, [this, node, epoch](redis::Outcome& cleared) {
      burying_.erase({node, epoch});
      if (!cleared.done()) return;
      script(*Scripts::get().strike, {keys_.nodes()}, {node, std::to_string(epoch)}, [](redis::Outcome&) {});
    });
  });
}

void Membership::told_leaving(std::string_view node, std::uint64_t epoch) { happened(members_.left(node, epoch)); }

void Membership::ring(std::string_view node, const char* what, std::uint64_t epoch) {
  script(*Scripts::get().ring, {keys_.inbox(node, "")}, {what, std::to_string(epoch)}, [](redis::Outcome&) {});
}

}  // namespace sb::cluster
