// SPDX-License-Identifier: MIT
#include "cluster/inbox.h"

#include <algorithm>
#include <utility>

#include "cluster/scripts.h"
#include "redis/slot_map.h"
#include "redis/target.h"
#include "redis/writer.h"

namespace sb::cluster {
namespace {

constexpr const char* kCount = "16";  // entries of each stream in one reply
constexpr std::size_t kCounted = 16;
constexpr Millis kPause{30};       // after a refusal
constexpr Millis kAnswer{1500};    // beyond the time that a read waits
constexpr Millis kEnsure{1000};    // between two looks whether Redis still has the streams
constexpr Millis kMissing{1500};   // until a stream is made again that was deleted: all have looked for theirs by then
constexpr Millis kTrim{50};        // between two trims of a stream
constexpr Millis kLive{3600'000};  // of a stream that nobody reads any more
constexpr Millis kMoving{1000};    // one by one, and no trims, for so long when the slot is on its way

}  // namespace

/// Gets the answer to the read that is under way; the inbox may be gone by then.
struct Inbox::Answer final : redis::Handler {
  explicit Answer(Inbox& i) : inbox(&i) {}
  void on_outcome(redis::Outcome& outcome, std::uint64_t) override {
    if (!inbox) return delete this;
    under_way = false;
    inbox->on_outcome(outcome);
  }
  Inbox* inbox;
  bool under_way = false;
};

Inbox::Inbox(io::EventLoop& loop, redis::Client& client, const store::RedisKeys& keys, std::string node, Millis rest,
             Listener& listener, Stats& stats)
    : loop_(loop),
      client_(client),
      keys_(keys),
      node_(std::move(node)),
      slot_(redis::key_slot(keys.inbox(node_, ""))),
      rest_(rest),
      listener_(listener),
      stats_(stats),
      answer_(std::make_unique<Answer>(*this)) {}

Inbox::~Inbox() {
  *alive_ = false;
  answer_->inbox = nullptr;
  if (answer_->under_way) answer_.release();  // it goes with the answer
  stop();
}

Inbox::Stream* Inbox::find(std::string_view from) {
  const auto it = std::find_if(streams_.begin(), streams_.end(), [&](const Stream& s) { return s.from == from; });
  return it == streams_.end() ? nullptr : &*it;
}

void Inbox::again(Millis after) {
  const MonoTime at = loop_.now() + after;
  if (!armed() || deadline() > at) loop_.timers().set(*this, at);
}

// ---------------------------------------------------------------- which streams there are

void Inbox::open(const std::vector<std::string>& from, std::function<void()> done) {
  auto add = [this](const std::string& name) {
    if (Stream* s = find(name)) {
      s->gone_at = kNever;
      s->rests = false;
      return;
    }
    Stream s;
    s.from = name;
    s.key = keys_.inbox(node_, name);
    streams_.push_back(std::move(s));
  };
  add("");
  for (auto& name : from) add(name);
  opening_.push_back(std::move(done));
  ensure();
}

void Inbox::forget(const std::string& from) {
  if (Stream* s = find(from)) s->gone_at = loop_.now();
}

/// Streams that Redis does not have are made with their position as last id: so it refuses what was read before. After
/// a connection that was lost at once, since their senders have lost theirs too and ask what is missing.
void Inbox::ensure() {
  next_ensure_ = loop_.now() + kEnsure;
  if (ensuring_) {
    ensure_again_ = true;
    return;
  }
  const auto& script = *Scripts::get().inboxes;
  std::vector<std::string> words = {"EVALSHA", script.sha,
                                    std::to_string(std::ranges::count(streams_, false, &Stream::rests))};
  std::vector<std::pair<std::string, StreamId>> asked;  // what is read before the answer comes is not missing in it
  for (auto& s : streams_)
    if (!s.rests) words.push_back(s.key), asked.emplace_back(s.from, s.position);
  words.push_back(std::to_string(kLive.count()));
  const bool make = std::exchange(cut_, false) || !opening_.empty();
  for (auto& s : streams_) {
    if (s.rests) continue;
    const bool may = make || !s.known || (s.missing != kNever && loop_.now() - s.missing >= kMissing);
    words.push_back(may ? std::max(s.position, StreamId{0, 1}).text() : std::string());
  }
  ensuring_ = true;
  auto done = std::make_shared<std::vector<std::function<void()>>>(std::exchange(opening_, {}));
  client_.call(
      std::move(words), streams_.front().key, Seconds(5),
      [this, alive = alive_, asked = std::move(asked), done, make](redis::Outcome& o) {
        if (!*alive) return;
        ensuring_ = false;
        if (!o.done()) {
          cut_ |= make;
          opening_.insert(opening_.begin(), done->begin(), done->end());
          ensure_again_ = !opening_.empty();
        } else {
          for (std::size_t i = 0; i < asked.size(); ++i) {
            Stream* s = find(asked[i].first);
            const auto last = StreamId::parse(o.value()[i].text());
            if (!last) {
              if (s->missing == kNever) s->missing = loop_.now();
              next_ensure_ = std::min(next_ensure_, s->missing + kMissing);
              listener_.on_missing(s->from);
              continue;
            }
            s->missing = kNever;
            // It had read further than Redis remembers.
            if (s->known && *last < asked[i].second) interrupted_ = true;
            // Others may have written before this one knew of them; who rings says nothing that it does not see itself.
            if (!s->known && s->from.empty()) s->position = s->trimmed = *last;
            s->known = !s->rests;
          }
          for (auto& f : *done) f();
        }
        if (std::exchange(ensure_again_, false) || !opening_.empty()) {
          next_ensure_ = loop_.now() + (o.done() ? Millis(0) : kPause);
          again(next_ensure_ - loop_.now());
        }
      },
      redis::kControl);
}

void Inbox::rest_gone() {
  for (auto& s : streams_)
    if (s.gone_at != kNever && loop_.now() - s.gone_at > rest_) s.rests = true, s.known = false, s.missing = kNever;
}

void Inbox::start() {
  running_ = true;
  if (!reading_) read();
}

void Inbox::stop() {
  running_ = false;
  loop_.timers().cancel(*this);
  if (std::exchange(lingers_, false)) loop_.forget(this);
}

void Inbox::resume() {
  if (!std::exchange(held_, false)) return;
  if (running_ && !reading_) read();
}

void Inbox::on_end_of_turn() {
  lingers_ = false;
  if (running_ && !reading_ && !held_) read();
}

void Inbox::on_timer() {
  if (!ensuring_ && !streams_.empty() && loop_.now() >= next_ensure_ && (running_ || !opening_.empty())) ensure();
  if (running_ && loop_.now() >= next_trim_) trim();
  if (running_ && !reading_ && !held_) read();
}

// ---------------------------------------------------------------- reading

void Inbox::read() {
  began_ = loop_.turn_began();
  if (loop_.now() >= next_ensure_) {
    rest_gone();
    ensure();
  }
  if (loop_.now() >= next_trim_) trim();
  if (loop_.now() < moving_until_) return read_one_by_one();
  redis::Connection* c = client_.connection(slot_, redis::kBlocking);
  redis::Words words;
  words.add("XREAD").add("COUNT").add(kCount).add("BLOCK").number(static_cast<std::uint64_t>(kBlock.count()));
  words.add("STREAMS");
  asked_.clear();
  for (std::size_t i = 0; i < streams_.size(); ++i)
    if (streams_[i].known) asked_.push_back(i), words.add(streams_[i].key);
  for (auto i : asked_) words.keep(streams_[i].position.text());
  if (c) {
    // What happened to Redis between two sockets, no read has met.
    const std::uint64_t socket = c->socket_id();
    if (read_on_ != 0 && read_on_ != socket) interrupted_ = cut_ = true, next_ensure_ = loop_.now();
    read_on_ = socket;
  }
  reading_ = answer_->under_way = true;
  if (asked_.empty() || !c || c->command(words.args(), *answer_, 0, kBlock + kAnswer)) {
    reading_ = answer_->under_way = false;
    interrupted_ = true;
    return again(kPause);
  }
  asked_at_ = loop_.now();
}

void Inbox::on_outcome(redis::Outcome& outcome) {
  reading_ = false;
  if (!running_) return;
  if (!outcome.done()) return failed(outcome);
  // Redis answers nothing when there was nothing for so long; else all that was there when the first entry came.
  bool to_end = true;
  const bool nothing = outcome.value().is_nil();
  const MonoTime as_of = nothing ? asked_at_ + kBlock : asked_at_;
  const bool goes_on = take(outcome.value(), to_end);
  tell_interrupted();
  if (to_end) listener_.on_read_to_end(std::min(as_of, loop_.now()));
  if (!goes_on) held_ = true;
  if (!running_ || held_ || reading_) return;
  if (!nothing) found_.count(loop_.turn_began());
  if (!to_end || !found_.is_fast() || loop_.turn_began() - began_ >= kLinger) return read();
  if (std::exchange(lingers_, true)) return;
  loop_.soon(began_ + kLinger, this);
}

void Inbox::tell_interrupted() {
  if (!std::exchange(interrupted_, false)) return;
  stats_.interruptions.add();
  listener_.on_interrupted();
}

void Inbox::failed(const redis::Outcome& o) {
  interrupted_ = cut_ = true;
  if (o.refused_as(redis::Refusal::try_again) || o.refused_as(redis::Refusal::ask) ||
      o.refused_as(redis::Refusal::moved))
    moving_until_ = loop_.now() + kMoving;
  next_ensure_ = loop_.now();
  again(kPause);
}

/// While the slot is on its way some streams are here, some there.
void Inbox::read_one_by_one() {
  stats_.reads_one_by_one.add();
  reading_ = true;
  one_by_one_to_end_ = true;
  one_by_one_ = 1;
  const MonoTime as_of = loop_.now();
  auto answered = [this, alive = alive_, as_of] {
    if (!*alive || --one_by_one_ > 0) return;
    reading_ = false;
    if (!running_) return;
    if (one_by_one_to_end_) {
      tell_interrupted();
      listener_.on_read_to_end(as_of);
    }
    if (!listener_.on_entries_done()) held_ = true;
    again(kPause / 3);
  };
  for (auto& s : streams_) {
    if (!s.known) continue;
    ++one_by_one_;
    client_.call(
        {"XREAD", "COUNT", kCount, "STREAMS", s.key, s.position.text()}, s.key, Millis(300),
        [this, alive = alive_, from = s.from, answered](redis::Outcome& o) {
          if (!*alive) return;
          Stream* stream = find(from);
          one_by_one_to_end_ &= o.done();
          if (stream && o.done() && running_) one_by_one_to_end_ &= take(*stream, o.value()[0][1]);
          answered();
        },
        redis::kBlocking);
  }
  answered();
}

/// False: read no further. `to_end`: no stream has more than this.
bool Inbox::take(redis::Reply::View streams, bool& to_end) {
  std::size_t at = 0;
  for (auto stream : streams) {
    const std::string_view key = stream[0].text();
    while (at < asked_.size() && streams_[asked_[at]].key != key) ++at;
    if (at == asked_.size()) break;
    to_end &= take(streams_[asked_[at]], stream[1]);
  }
  return listener_.on_entries_done();
}

/// True when it has nothing behind these.
bool Inbox::take(Stream& s, redis::Reply::View entries) {
  std::size_t n = 0;
  for (auto entry : entries) {
    ++n;
    const auto id = StreamId::parse(entry[0].text());
    if (!id || *id <= s.position) continue;
    s.position = *id;
    if (s.from.empty()) {
      door(entry[1]);
      continue;
    }
    std::string_view d, q;
    const auto fields = entry[1];
    for (auto it = fields.begin(); it != fields.end(); ++it) {
      const std::string_view name = (*it).text();
      if (++it == fields.end()) break;
      if (name == "d") d = (*it).text();
      if (name == "q") q = (*it).text();
    }
    stats_.entries_received.add();
    stats_.bytes_received.add(d.size() + q.size());
    listener_.on_entry(s.from, *id, d, q);
  }
  return n < kCounted;
}

void Inbox::door(redis::Reply::View fields) {
  listener_.on_door(fields[0].text(),
                    static_cast<std::uint64_t>(std::max<std::int64_t>(fields[1].integer().value_or(0), 0)));
}

/// Whole nodes of a stream only, which costs Redis next to nothing; the senders hear how far this node is.
void Inbox::trim() {
  const MonoTime now = loop_.now();
  if (now < moving_until_) return;
  next_trim_ = now + kTrim;
  redis::Connection* c = client_.connection(slot_, redis::kControl);
  if (!c) return;
  for (auto& s : streams_) {
    if (s.position == s.trimmed) continue;
    s.trimmed = s.position;
    const std::string id = StreamId{s.position.epoch, s.position.sequence + 1}.text();
    stats_.trims.add();
    redis::call(*c, {"XTRIM", s.key, "MINID", "~", id}, [](redis::Outcome&) {});
    listener_.on_trimmed(s.from, s.position);
  }
}

}  // namespace sb::cluster
