// SPDX-License-Identifier: MIT
#include "store/redis_session_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/hash_map.h"
#include "store/embedded_encoding.h"

namespace sb::store {

using embedded::Reader;
using model::SubscriptionRecord;
using Writer = embedded::Writer;

namespace {

template <class T>
bool parse(std::string_view text, T& n) {
  auto [end, e] = std::from_chars(text.data(), text.data() + text.size(), n);
  return e == std::errc() && end == text.data() + text.size();
}

std::string time_text(WallTime t) { return t == kNoExpiry ? "-" : std::to_string(t.time_since_epoch().count()); }

bool parse_time(std::string_view text, WallTime& t) {
  if (text == "-") return t = kNoExpiry, true;
  std::int64_t ms = 0;
  if (!parse(text, ms)) return false;
  t = WallTime(Millis(ms));
  return true;
}

/// What stands in front of the rest of an encoded subscription.
struct Entry {
  std::string_view filter, bytes;
  bool logged = false;
};

/// Calls `f(entry, offset, size)` for each subscription of a chunk, until it returns false. False: corrupt.
template <class F>
bool each_entry(std::string_view chunk, F f) {
  Reader r(chunk);
  for (std::size_t at = 0; at < chunk.size();) {
    Entry e;
    e.bytes = r.text();
    if (!r.ok()) return false;
    Reader part(e.bytes);
    part.format();
    e.filter = part.text();
    part.byte();
    e.logged = (part.byte() & 1) != 0;
    if (!part.ok()) return false;
    const auto end = static_cast<std::size_t>(e.bytes.data() + e.bytes.size() - chunk.data());
    if (!f(e, at, end - at)) return true;
    at = end;
  }
  return true;
}

std::string entry_bytes(SubscriptionRecord s) {
  if (s.logged) s.next = {};  // it stands in another field of the chunk
  std::string bytes;
  Writer(bytes).text(embedded::encode(s));
  return bytes;
}

std::string chunk_field(char kind, std::size_t i) { return fmt::format("{}{}", kind, i); }

template <class Ids>
auto place_of(Ids& ids, std::uint16_t id) {
  return std::lower_bound(ids.begin(), ids.end(), id, [](auto& i, std::uint16_t n) { return i.first < n; });
}

void set_id(std::vector<std::pair<std::uint16_t, std::string>>& ids, std::uint16_t id, std::string value) {
  auto it = place_of(ids, id);
  if (it != ids.end() && it->first == id)
    it->second = std::move(value);
  else
    ids.emplace(it, id, std::move(value));
}

bool erase_id(std::vector<std::pair<std::uint16_t, std::string>>& ids, std::uint16_t id) {
  auto it = place_of(ids, id);
  if (it == ids.end() || it->first != id) return false;
  ids.erase(it);
  if (ids.empty()) ids.shrink_to_fit();
  return true;
}

}  // namespace

// ---------------------------------------------------------------- pieces

std::string encode_times(const SessionImage::Times& t) {
  return fmt::format("{} {} {} {} {} {}", int{t.connected}, t.incarnation, time_text(t.expires_at),
                     time_text(t.will_due), t.expiry, t.will_delay);
}

std::optional<SessionImage::Times> decode_times(std::string_view text) {
  SessionImage::Times t;
  std::string_view words[6];
  for (auto& w : words) {
    const auto space = std::min(text.find(' '), text.size());
    w = text.substr(0, space);
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  t.connected = words[0] == "1";
  const bool ok = text.empty() && parse(words[1], t.incarnation) && parse_time(words[2], t.expires_at) &&
                  parse_time(words[3], t.will_due) && parse(words[4], t.expiry) && parse(words[5], t.will_delay);
  return ok ? std::optional(t) : std::nullopt;
}

std::string encode_will(std::string_view username, const model::WillRecord& w) {
  if (!w.message) return {};
  std::string out(1, embedded::kFormat);
  Writer(out)
      .text(username)
      .be(w.delay, 4)
      .be(w.expiry_interval, 4)
      .byte(w.expires)
      .raw(embedded::encode(w.message->view()));
  return out;
}

std::optional<StoredWill> decode_will(std::string_view bytes) {
  Reader r(bytes);
  StoredWill w;
  r.format();
  w.username = r.text();
  w.record.delay = static_cast<std::uint32_t>(r.be(4));
  w.record.expiry_interval = static_cast<std::uint32_t>(r.be(4));
  w.record.expires = r.byte() != 0;
  if (!r.ok()) return {};
  auto m = embedded::decode_message(r.rest());
  if (!m) return {};
  w.record.message = model::Message::copy(*m);
  return w;
}

std::vector<std::string> filters_of_chunk(std::string_view subscriptions) {
  std::vector<std::string> all;
  const bool ok = each_entry(subscriptions, [&](const Entry& e, auto, auto) {
    all.emplace_back(e.filter);
    return true;
  });
  if (!ok) all.clear();
  return all;
}

// ---------------------------------------------------------------- reading

bool SessionImage::take(std::string_view field, std::string_view value) {
  if (field.empty()) return false;
  const std::string_view rest = field.substr(1);
  std::size_t n = 0;
  if (!rest.empty() && !parse(rest, n)) return false;
  switch (field[0]) {
    case 't': {
      const auto t = decode_times(value);
      if (t) times_ = *t;
      return t.has_value();
    }
    case 'u':
      username_ = value;
      return true;
    case 'd':
      return parse(value, next_order_);
    case 'b':
      return parse(value, next_publish_);
    case 'w':
      will_ = value;
      return true;
    case 'q':
    case 'i':
      if (n > 0xFFFF) return false;
      set_id(field[0] == 'q' ? outbound_ : inbound_, static_cast<std::uint16_t>(n), std::string(value));
      return true;
    case 's':
    case 'p':
    case 'h': {
      if (n > 1'000'000) return false;
      if (chunks_.size() <= n) chunks_.resize(n + 1);
      Chunk& c = chunks_[n];
      if (field[0] == 'h') {
        Reader r(value);
        r.format();
        while (r.ok() && !r.done()) {
          const std::string filter(r.text());
          std::vector<model::Position> passed;
          for (auto count = r.number(); r.ok() && count > 0; --count) passed.push_back(r.position());
          pass(c, filter, passed);
        }
        return r.done();
      }
      if (field[0] == 's') {
        c.subscriptions = value;
        return each_entry(value, [&](auto&, auto, auto) { return ++c.count, true; });
      }
      Reader r(value);
      r.format();
      while (r.ok() && !r.done()) c.positions.push_back(r.position());
      return r.done();
    }
    default:
      return false;
  }
}

bool SessionImage::complete() {
  for (auto& c : chunks_) {
    std::size_t logged = 0;
    each_entry(c.subscriptions, [&](const Entry& e, auto, auto) { return logged += e.logged, true; });
    if (logged != c.positions.size()) return false;
  }
  if (chunks_.size() > 1) index_all();
  open_chunk_ = chunks_.empty() ? 0 : chunks_.size() - 1;
  return true;
}

model::SessionRecord SessionImage::record() const {
  model::SessionRecord r;
  r.username = username_;
  r.incarnation = times_.incarnation;
  r.expiry = times_.expiry;
  r.connected = times_.connected;
  r.expires_at = times_.expires_at;
  r.will_due = times_.will_due;
  r.next_order = next_order_;
  r.next_publish = next_publish_;
  if (auto w = decode_will(will_)) r.will = std::move(w->record);
  for (auto& c : chunks_) {
    std::size_t position = 0;
    each_entry(c.subscriptions, [&](const Entry& e, auto, auto) {
      if (auto s = embedded::decode_subscription(e.bytes)) {
        if (s->logged) s->next = c.positions[position];
        if (c.passed)
          if (auto it = c.passed->find(e.filter); it != c.passed->end()) s->passed = it->second;
        r.subscriptions.push_back(std::move(*s));
      }
      position += e.logged;
      return true;
    });
  }
  std::sort(r.subscriptions.begin(), r.subscriptions.end(), [](auto& a, auto& b) { return a.order < b.order; });
  for (auto& [id, bytes] : outbound_)
    if (auto o = embedded::decode_outbound(bytes)) r.outbound.push_back(std::move(*o));
  std::sort(r.outbound.begin(), r.outbound.end(), [](auto& a, auto& b) { return a.sequence < b.sequence; });
  for (auto& [id, bytes] : inbound_)
    if (auto i = embedded::decode_inbound(bytes)) {
      i->packet_id = id;
      r.inbound.push_back(*i);
    }
  return r;
}

std::vector<std::string> SessionImage::filters() const {
  std::vector<std::string> all;
  for (auto& c : chunks_)
    for (auto& f : filters_of_chunk(c.subscriptions)) all.push_back(std::move(f));
  return all;
}

WallTime SessionImage::next_due() const {
  return std::min(times_.expires_at, will_.empty() ? kNoExpiry : times_.will_due);
}

std::size_t SessionImage::heap_bytes() const {
  std::size_t n = username_.capacity() + will_.capacity() + chunks_.capacity() * sizeof(Chunk);
  for (auto& c : chunks_) {
    n += c.subscriptions.capacity() + c.positions.capacity() * sizeof(model::Position);
    if (c.passed)
      for (auto& [filter, positions] : *c.passed)
        n += 96 + filter.capacity() + positions.capacity() * sizeof(model::Position);
  }
  if (index_) n += sizeof *index_ + index_->capacity() * 17;
  for (auto* ids : {&outbound_, &inbound_}) {
    n += ids->capacity() * sizeof(ids->front());
    for (auto& [id, bytes] : *ids) n += bytes.capacity();
  }
  return n;
}

// ---------------------------------------------------------------- chunks

bool SessionImage::find_in(std::size_t chunk, std::string_view filter, Place& p) const {
  bool found = false;
  std::size_t position = 0;
  each_entry(chunks_[chunk].subscriptions, [&](const Entry& e, std::size_t at, std::size_t size) {
    found = e.filter == filter;
    if (found) p = {chunk, at, size, position, e.logged};
    position += e.logged;
    return !found;
  });
  return found;
}

std::optional<SessionImage::Place> SessionImage::find(std::string_view filter) const {
  Place p;
  if (index_) {
    auto it = index_->find(hash_bytes(filter));
    if (it != index_->end() && find_in(it->second, filter, p)) return p;
    return {};
  }
  for (std::size_t i = 0; i < chunks_.size(); ++i)
    if (find_in(i, filter, p)) return p;
  return {};
}

void SessionImage::index_all() {
  index_ = std::make_unique<absl::flat_hash_map<std::uint64_t, std::uint32_t>>();
  for (std::size_t i = 0; i < chunks_.size(); ++i)
    each_entry(chunks_[i].subscriptions, [&](const Entry& e, auto, auto) {
      (*index_)[hash_bytes(e.filter)] = static_cast<std::uint32_t>(i);
      return true;
    });
}

std::size_t SessionImage::chunk_with_room(std::size_t bytes) {
  auto has_room = [&](std::size_t i) {
    const std::size_t used = chunks_[i].subscriptions.size();
    return used == 0 || used + bytes <= kChunkBytes;
  };
  if (open_chunk_ < chunks_.size() && has_room(open_chunk_)) return open_chunk_;
  open_chunk_ = chunks_.size();
  for (std::size_t i = 0; i < chunks_.size(); ++i)
    if (chunks_[i].subscriptions.size() < kChunkBytes / 4 && has_room(i)) open_chunk_ = i;
  if (open_chunk_ == chunks_.size()) {
    chunks_.emplace_back();
    if (chunks_.size() == 2) index_all();
  }
  return open_chunk_;
}

void SessionImage::erase(const Place& p, std::string_view filter) {
  Chunk& c = chunks_[p.chunk];
  c.subscriptions.erase(p.at, p.size);
  pass(c, std::string(filter), {});
  if (p.logged) c.positions.erase(c.positions.begin() + static_cast<std::ptrdiff_t>(p.position));
  --c.count;
  if (index_) index_->erase(hash_bytes(filter));
}

void SessionImage::put(const SubscriptionRecord& s, std::vector<bool>& touched) {
  auto touch = [&](std::size_t i) {
    if (touched.size() <= i) touched.resize(i + 1);
    touched[i] = true;
  };
  const std::string bytes = entry_bytes(s);
  if (auto p = find(s.filter)) {
    touch(p->chunk);
    Chunk& c = chunks_[p->chunk];
    if (c.subscriptions.size() - p->size + bytes.size() <= kChunkBytes || c.count == 1) {
      c.subscriptions.replace(p->at, p->size, bytes);
      const auto at = c.positions.begin() + static_cast<std::ptrdiff_t>(p->position);
      if (p->logged && s.logged)
        *at = s.next;
      else if (p->logged)
        c.positions.erase(at);
      else if (s.logged)
        c.positions.insert(at, s.next);
      pass(c, s.filter, s.passed);
      return;
    }
    erase(*p, s.filter);
  }
  const std::size_t i = chunk_with_room(bytes.size());
  touch(i);
  Chunk& c = chunks_[i];
  c.subscriptions += bytes;
  if (s.logged) c.positions.push_back(s.next);
  pass(c, s.filter, s.passed);
  ++c.count;
  if (index_) (*index_)[hash_bytes(s.filter)] = static_cast<std::uint32_t>(i);
}

/// True when that is new.
bool SessionImage::pass(Chunk& c, const std::string& filter, const std::vector<model::Position>& passed) {
  if (!c.passed) {
    if (passed.empty()) return false;
    c.passed = std::make_unique<std::map<std::string, std::vector<model::Position>, std::less<>>>();
  }
  if (passed.empty()) return c.passed->erase(filter) > 0;
  auto& has = (*c.passed)[filter];
  return std::exchange(has, passed) != passed;
}

void SessionImage::write_passed(std::size_t i, RecordFields& out) const {
  const Chunk& c = chunks_[i];
  if (!c.passed) return;
  std::string all(1, embedded::kFormat);
  Writer w(all);
  for (auto& [filter, positions] : *c.passed) {
    w.text(filter).number(positions.size());
    for (auto& p : positions) w.position(p);
  }
  if (c.passed->empty())
    out[chunk_field('h', i)] = std::nullopt;
  else
    out[chunk_field('h', i)] = std::move(all);
}

void SessionImage::write_chunk(std::size_t i, bool subscriptions, RecordFields& out) const {
  const Chunk& c = chunks_[i];
  if (subscriptions) {
    write_passed(i, out);
    if (c.count > 0)
      out[chunk_field('s', i)] = c.subscriptions;
    else
      out[chunk_field('s', i)] = std::nullopt;
  }
  if (c.positions.empty()) {
    if (subscriptions) out[chunk_field('p', i)] = std::nullopt;
    return;
  }
  std::string positions(1, embedded::kFormat);
  Writer w(positions);
  for (auto& p : c.positions) w.position(p);
  out[chunk_field('p', i)] = std::move(positions);
}

// ---------------------------------------------------------------- changes

void SessionImage::apply(ports::SessionChange&& c, RecordFields& out) {
  std::vector<bool> touched(chunks_.size()), moved;
  for (auto& filter : c.subscriptions_removed)
    if (auto p = find(filter)) {
      touched[p->chunk] = true;
      erase(*p, filter);
    }
  for (auto& s : c.subscriptions_set) put(s, touched);
  touched.resize(chunks_.size());
  moved.resize(chunks_.size());
  for (auto& cursor : c.cursors)
    if (auto p = find(cursor.filter); p && p->logged) {
      chunks_[p->chunk].positions[p->position] = cursor.next;
      moved[p->chunk] = true;
      if (pass(chunks_[p->chunk], cursor.filter, cursor.passed)) write_passed(p->chunk, out);
    }
  for (std::size_t i = 0; i < chunks_.size(); ++i)
    if (touched[i] || moved[i]) write_chunk(i, touched[i], out);
  if (c.next_order) {
    next_order_ = *c.next_order;
    out["d"] = std::to_string(next_order_);
  }
  for (auto id : c.outbound_removed) erase_outbound(id, out);
  for (auto& o : c.outbound_set) {
    std::string bytes = embedded::encode(o);
    out[fmt::format("q{}", o.packet_id)] = bytes;
    set_id(outbound_, o.packet_id, std::move(bytes));
  }
  for (auto id : c.inbound_removed)
    if (erase_id(inbound_, id)) out[fmt::format("i{}", id)] = std::nullopt;
  const std::uint64_t publish = next_publish_;
  for (auto& i : c.inbound_added) {
    std::string bytes = embedded::encode(i);
    out[fmt::format("i{}", i.packet_id)] = bytes;
    set_id(inbound_, i.packet_id, std::move(bytes));
    next_publish_ = std::max(next_publish_, i.publish + 1);
  }
  if (next_publish_ != publish) out["b"] = std::to_string(next_publish_);
  if (c.will) {
    will_ = encode_will(username_, *c.will);
    times_.will_delay = c.will->delay;
    if (will_.empty())
      out["w"] = std::nullopt;
    else
      out["w"] = will_;
  }
  if (c.expiry) times_.expiry = *c.expiry;
  if (c.left) {
    times_.connected = false;
    times_.expires_at = c.left->expires_at;
    times_.will_due = c.left->will_due;
  }
  if (c.will || c.expiry || c.left) out["t"] = encode_times(times_);
}

void SessionImage::erase_outbound(std::uint16_t packet_id, RecordFields& out) {
  erase_id(outbound_, packet_id);
  out[fmt::format("q{}", packet_id)] = std::nullopt;
}

RecordFields SessionImage::all() const {
  RecordFields out;
  out["t"] = encode_times(times_);
  out["u"] = username_;
  if (next_order_ != 1) out["d"] = std::to_string(next_order_);
  if (next_publish_ != 1) out["b"] = std::to_string(next_publish_);
  if (!will_.empty()) out["w"] = will_;
  for (std::size_t i = 0; i < chunks_.size(); ++i)
    if (chunks_[i].count > 0) write_chunk(i, true, out);
  for (auto& [id, bytes] : outbound_) out[fmt::format("q{}", id)] = bytes;
  for (auto& [id, bytes] : inbound_) out[fmt::format("i{}", id)] = bytes;
  return out;
}

}  // namespace sb::store
