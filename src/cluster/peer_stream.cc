// SPDX-License-Identifier: MIT
#include "cluster/peer_stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "cluster/stream_id.h"
#include "redis/writer.h"

namespace sb::cluster {

PeerStream::PeerStream(redis::Writer& writer, Options o, Listener& listener, Stats& stats)
    : Target(writer, o.key), options_(std::move(o)), listener_(listener), stats_(stats) {
  set_first_number(options_.first);
}

PeerStream::~PeerStream() {
  if (lingers_) writer().loop().forget(this);
}

PeerStream::Entry& PeerStream::gathering() {
  if (queue_.empty() || queue_.back()->size() >= kEntryBytes) queue_.push_back(std::make_unique<Entry>());
  return *queue_.back();
}

void PeerStream::append(std::string& to, std::string_view frame) {
  if (to.empty()) to.push_back(static_cast<char>(kEnvelopeVersion));
  to.append(frame);
}

void PeerStream::grown(std::size_t bytes) {
  waiting_bytes_ += bytes;
  frames_.count(writer().loop().turn_began());
  if (!ended_ && !linger()) ready();
}

/// True when the next entry has to wait a little, to become a larger one: ready() follows.
bool PeerStream::linger() {
  io::EventLoop& loop = writer().loop();
  if (!frames_.is_fast() || loop.turn_began() - began_ >= kLinger || waiting_bytes_ >= kEntryBytes) return false;
  if (!std::exchange(lingers_, true)) loop.soon(began_ + kLinger, this);
  return true;
}

void PeerStream::on_end_of_turn() {
  lingers_ = false;
  if (!ended_) ready();
}

PeerStream::Put PeerStream::put(std::string_view frame, bool keep) {
  if (backlog() + frame.size() > options_.backlog_bytes) {
    if (keep && waiting_bytes_ > options_.backlog_bytes / 2) {
      stats_.refused_backlog.add();
      return Put::refused;
    }
    ++owed_;
    stats_.dropped_overflow.add();
    return Put::dropped;
  }
  if (owed_ > 0) control([n = std::exchange(owed_, 0)](EnvelopeWriter& w) { w.gap(n); });
  Entry& e = gathering();
  if (keep) kept_ = &e;
  std::string& to = keep ? e.keep : e.shed;
  const std::size_t before = to.size();
  append(to, frame);
  grown(to.size() - before);
  return Put::taken;
}

void PeerStream::read_up_to(std::uint64_t number) {
  if (number > last_number()) return;  // that was not written here
  while (!unread_.empty() && unread_.front().number <= number) {
    unread_bytes_ -= unread_.front().bytes;
    unread_.pop_front();
  }
  unneeded_up_to(number);
  if (owed_ > 0 && backlog() < options_.backlog_bytes / 2)
    control([n = std::exchange(owed_, 0)](EnvelopeWriter& w) { w.gap(n); });
}

void PeerStream::end(bool outcome) {
  ended_ = true;
  std::vector<Waiter> waiters;
  for (Entry* e : open_) std::move(e->waiters.begin(), e->waiters.end(), std::back_inserter(waiters));
  for (auto& e : queue_) std::move(e->waiters.begin(), e->waiters.end(), std::back_inserter(waiters));
  open_.clear();
  queue_.clear();
  unread_.clear();
  waiting_bytes_ = unread_bytes_ = 0;
  stop();
  for (auto& w : waiters) w(outcome);
}

std::unique_ptr<redis::Batch> PeerStream::next() {
  if (queue_.empty() || linger()) return nullptr;
  auto e = std::move(queue_.front());
  queue_.pop_front();
  const std::size_t size = e->size();
  waiting_bytes_ -= size;
  unread_bytes_ += size;
  unread_.push_back({last_number() + 1, size});
  e->bytes = size + sizeof(Entry);
  e->concern = !e->keep.empty();
  open_.push_back(e.get());
  began_ = writer().loop().turn_began();
  stats_.entries_sent.add();
  stats_.bytes_sent.add(size);
  return e;
}

void PeerStream::encode(const redis::Batch& b, Sending, redis::Words& out) {
  auto& e = static_cast<const Entry&>(b);
  out.add("XADD").add(key()).add("NOMKSTREAM").keep(fmt::format("{}-{}", options_.epoch, e.number));
  if (!e.keep.empty() || e.shed.empty()) out.add("d").add(e.keep);
  if (!e.shed.empty()) out.add("q").add(e.shed);
}

PeerStream::Taken PeerStream::answered(redis::Batch&, redis::Outcome& outcome) {
  if (outcome.refused_as(redis::Refusal::id_not_above)) return Taken::yes;
  // Nil: there is no such stream. Its reader makes it again, if it lives.
  return outcome.done() && !outcome.value().is_nil() ? Taken::yes : Taken::repair;
}

void PeerStream::confirmed(redis::Batch& b) {
  auto& e = static_cast<Entry&>(b);
  std::erase(open_, &e);
  std::string().swap(e.shed);
  e.bytes = e.keep.size() + sizeof(Entry);
  auto waiters = std::exchange(e.waiters, {});
  for (auto& w : waiters) w(true);
}

void PeerStream::encode_last(redis::Words& out) { out.add("XINFO").add("STREAM").add(key()); }

std::optional<std::uint64_t> PeerStream::last(redis::Outcome& outcome) {
  if (!outcome.done()) return std::nullopt;
  const auto info = outcome.value();
  for (std::size_t i = 0; i + 1 < info.size(); i += 2) {
    if (info[i].text() != "last-generated-id") continue;
    const auto id = StreamId::parse(info[i + 1].text());
    if (!id) return std::nullopt;
    return id->epoch == options_.epoch ? id->sequence : 0;
  }
  return std::nullopt;
}

void PeerStream::lost(std::uint64_t has, std::uint64_t kept) {
  stats_.batches_lost.add(kept - has - 1);
  listener_.on_lost(*this);
}

}  // namespace sb::cluster
