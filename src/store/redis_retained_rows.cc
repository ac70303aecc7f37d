// SPDX-License-Identifier: MIT
#include "store/redis_retained_rows.h"

#include <charconv>
#include <utility>

#include "base/log.h"
#include "ports/errc.h"
#include "store/embedded_encoding.h"

namespace sb::store {

using redis::Batch;
using redis::Outcome;
using redis::Words;

namespace {

constexpr std::size_t kEntries = 500;    ///< of one command
constexpr std::size_t kRowBytes = 1200;  ///< of a row and its queue, about

const std::shared_ptr<const redis::Script>& set_script() {
  // value, expiry (ms since 1970, or -), version that it was given before or 0, writer, number. Answers with the
  // version, behind a + when it was stored now.
  static const auto s = std::make_shared<const redis::Script>(R"(
local r = redis.call('HMGET', KEYS[1], 'n', 'w', 'q')
local stored, given = tonumber(r[1] or '0'), tonumber(ARGV[3])
if r[2] == ARGV[4] and r[3] == ARGV[5] then return r[1] end
local n = given
if given > 0 then
  if stored >= given then return ARGV[3] end
else
  local t = redis.call('TIME')
  n = math.max(stored + 1, tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000))
end
n = string.format('%.0f', n)
redis.call('HSET', KEYS[1], 'n', n, 'w', ARGV[4], 'q', ARGV[5])
if ARGV[1] == '' then
  redis.call('HDEL', KEYS[1], 'v')
  redis.call('PEXPIRE', KEYS[1], 60000)
  return '+' .. n
end
redis.call('HSET', KEYS[1], 'v', ARGV[1])
if ARGV[2] == '-' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
end
return '+' .. n)");
  return s;
}

const std::shared_ptr<const redis::Script>& remove_script() {
  static const auto s = std::make_shared<const redis::Script>(R"(
for i = 1, #ARGV, 2 do
  local entry = redis.call('HGET', KEYS[1], ARGV[i])
  if entry and string.match(entry, '%d+$') == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return 'done')");
  return s;
}

}  // namespace

// ---------------------------------------------------------------- one topic

struct RetainedRow::Piece final : Batch {
  model::MessagePtr message;
  std::vector<Done> done;
  std::uint64_t count = 0;    ///< of the source
  std::uint64_t version = 0;  ///< that Redis gave it
  error_code why;
};

RetainedRow::RetainedRow(redis::Writer& w, std::string topic, std::string key, Source& source, Owner& owner)
    : Target(w, std::move(key)), topic_(std::move(topic)), source_(source), owner_(owner) {}

std::shared_ptr<const redis::Script> RetainedRow::script() { return set_script(); }

void RetainedRow::set(model::MessagePtr m, Done done) {
  latest_ = std::move(m);
  changed_ = true;
  outdated_ = false;
  waiting_.push_back(std::move(done));
  if (held_ == 0) ready();
}

std::unique_ptr<Batch> RetainedRow::next() {
  if (held_ > 0 || !std::exchange(changed_, false)) return nullptr;
  auto p = std::make_unique<Piece>();
  p->count = ++source_.count;
  p->message = latest_;
  p->done = std::exchange(waiting_, {});
  p->bytes = kRowBytes + latest_->footprint();
  return p;
}

void RetainedRow::encode(const Batch& b, Sending how, Words& out) {
  auto& p = static_cast<const Piece&>(b);
  again_ = how.again;
  if (!p.message || (p.number != last_number() && p.version > 0)) {  // there is a newer one behind it
    out.add("EXISTS").add(key());
    return;
  }
  const auto& m = p.message->view();
  out.add("EVALSHA").add(set_script()->sha).add("1").add(key());
  out.keep(m.payload.empty() ? std::string() : embedded::encode(m));
  if (m.expires_at == kNoExpiry)
    out.add("-");
  else
    out.keep(std::to_string(m.expires_at.time_since_epoch().count()));
  out.number(p.version).add(source_.name).number(p.count);
}

redis::Target::Taken RetainedRow::answered(Batch& b, Outcome& o) {
  auto& p = static_cast<Piece&>(b);
  if (!o.done()) {
    if (!o.refused_as(redis::Refusal::other)) return Taken::repair;
    log::error("retained message refused key={} error=\"{}\"", log::name(key()), o.text());
    if (p.version == 0) p.why = make_error_code(ports::errc::unavailable);
    return Taken::yes;
  }
  std::string_view version = o.value().text();
  const bool stored = version.starts_with('+');
  if (stored) version.remove_prefix(1);
  if (p.version == 0) std::from_chars(version.data(), version.data() + version.size(), p.version);
  if (stored && again_) owner_.came_again(topic_, (changed_ ? latest_ : p.message)->view());
  return Taken::yes;
}

void RetainedRow::confirmed(Batch& b) {
  auto& p = static_cast<Piece&>(b);
  if (p.number != last_number()) {
    p.message.reset();
    p.bytes = sizeof(Piece);
  }
  if (!p.why) unneeded_up_to(p.number - 1);  // it stands in their place
  for (auto& done : std::exchange(p.done, {})) done(p.why ? result<void>(p.why) : result<void>());
}

void RetainedRow::on_idle() {
  if (!changed_ && held_ == 0) owner_.idle(topic_);
}

// ---------------------------------------------------------------- topics of a shard

struct RetainedTopicsRow::Piece final : Batch {
  bool put = false;
  std::vector<Change> changes;
};

std::shared_ptr<const redis::Script> RetainedTopicsRow::script() { return remove_script(); }

void RetainedTopicsRow::put(std::string topic, std::string entry, Done done) {
  waiting_.push_back({true, std::move(topic), std::move(entry), std::move(done)});
  ready();
}

void RetainedTopicsRow::remove(std::string topic, std::string stamp) {
  waiting_.push_back({false, std::move(topic), std::move(stamp), nullptr});
  ready();
}

std::unique_ptr<Batch> RetainedTopicsRow::next() {
  if (waiting_.empty()) return nullptr;
  auto p = std::make_unique<Piece>();
  p->put = waiting_.front().put;
  p->bytes = sizeof(Piece);
  while (!waiting_.empty() && waiting_.front().put == p->put && p->changes.size() < kEntries) {
    Change& c = waiting_.front();
    p->bytes += sizeof(Change) + c.topic.size() + c.entry.size();
    p->changes.push_back(std::move(c));
    waiting_.pop_front();
  }
  return p;
}

void RetainedTopicsRow::encode(const Batch& b, Sending, Words& out) {
  auto& p = static_cast<const Piece&>(b);
  if (p.put)
    out.add("HSET").add(key());
  else
    out.add("EVALSHA").add(remove_script()->sha).add("1").add(key());
  for (auto& c : p.changes) out.add(c.topic).add(c.entry);
}

void RetainedTopicsRow::confirmed(Batch& b) {
  for (auto& c : static_cast<Piece&>(b).changes)
    if (auto done = std::exchange(c.done, nullptr)) done();
}

}  // namespace sb::store
