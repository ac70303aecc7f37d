// SPDX-License-Identifier: MIT
#include "cluster/envelope.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>

namespace sb::cluster {
namespace {

enum class Frame : std::uint8_t {
  message = 1,
  appended,
  hello,
  route,
  routes_end,
  log_began,
  log_ended,
  kick,
  released,
  connected,
  retained,
  barrier,
  answer,
  gap,
  request,
  reply,
  read,
  leaving,
  group,
};

// Flags of a message; its QoS is in the lowest two bits.
constexpr std::uint8_t kQos = 3, kRetain = 4, kProperties = 8, kExpires = 16, kGroup = 32, kPublisher = 64,
                       kIdentity = 128;

constexpr std::size_t kLongestText = 65535;           // of topics, filters and names
constexpr std::uint64_t kLongestExpiry = 1ull << 46;  // ms
constexpr std::int64_t kLatestConnect = 1ll << 53;    // µs
constexpr std::size_t kLeastMessage = 3;              // bytes of one
constexpr std::size_t kLeastPosition = 2;

/// The fixed part of a frame, on the stack.
class Head {
 public:
  Head() = default;
  explicit Head(Frame f) { byte(static_cast<std::uint8_t>(f)); }
  Head& byte(std::uint8_t b) {
    *at_++ = static_cast<char>(b);
    return *this;
  }
  Head& number(std::uint64_t n) {
    while (n >= 0x80) {
      byte(static_cast<std::uint8_t>(n) | 0x80);
      n >>= 7;
    }
    return byte(static_cast<std::uint8_t>(n));
  }
  Head& size(std::string_view text) { return number(text.size()); }
  Head& fixed64(std::uint64_t n) {
    for (int i = 0; i < 8; ++i) byte(static_cast<std::uint8_t>(n >> (8 * i)));
    return *this;
  }
  Head& position(model::Position p) { return number(p.generation).number(p.offset); }
  void into(std::string& out, std::initializer_list<std::string_view> texts = {}) {
    out.append(bytes_, at_);
    for (auto t : texts) out.append(t);
  }

 private:
  char bytes_[80];
  char* at_ = bytes_;
};

std::uint64_t left_of(WallTime expires_at, WallTime now) {
  return static_cast<std::uint64_t>(
      std::clamp<std::int64_t>((expires_at - now).count(), 0, static_cast<std::int64_t>(kLongestExpiry)));
}

class Reader {
 public:
  Reader(std::string_view bytes, WallTime now, EnvelopeSink& sink)
      : at_(bytes.data()), end_(at_ + bytes.size()), now_(now), sink_(sink) {}

  EnvelopeFault run() {
    if (byte() != kEnvelopeVersion) return EnvelopeFault::version;
    while (ok_ && at_ < end_) frame();
    return ok_ ? EnvelopeFault::none : EnvelopeFault::malformed;
  }

 private:
  std::uint8_t byte() {
    if (at_ == end_) return fail(), std::uint8_t{0};
    return static_cast<std::uint8_t>(*at_++);
  }
  std::uint64_t number() {
    std::uint64_t n = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = byte();
      if (shift == 63 && b > 1) break;
      n |= std::uint64_t{b & 0x7Fu} << shift;
      if (b < 0x80) return n;
    }
    fail();
    return 0;
  }
  std::uint64_t fixed64() {
    if (end_ - at_ < 8) return fail(), 0;
    std::uint64_t n = 0;
    for (int i = 0; i < 8; ++i) n |= std::uint64_t{static_cast<std::uint8_t>(*at_++)} << (8 * i);
    return n;
  }
  /// A text of so many bytes, at most `longest`.
  std::string_view take(std::uint64_t n, std::uint64_t longest) {
    if (!ok_ || n > longest || n > static_cast<std::uint64_t>(end_ - at_)) return fail(), std::string_view();
    const std::string_view text(at_, static_cast<std::size_t>(n));
    at_ += n;
    return text;
  }
  std::string_view text() { return take(number(), kLongestText); }
  /// One that is not empty.
  std::string_view name() {
    const auto t = text();
    if (t.empty()) fail();
    return t;
  }
  std::string_view body() { return take(number(), SIZE_MAX); }
  model::Position position() {
    const auto generation = number();
    return {generation, number()};
  }
  bool fail() { return ok_ = false; }

  struct Message {
    model::MessageView view;
    std::string_view group;
    std::uint8_t hops = 0;
  };
  Message message() {
    Message m;
    const std::uint8_t flags = byte();
    m.view.qos = flags & kQos;
    m.view.retain = flags & kRetain;
    if (m.view.qos > 2) fail();
    const auto topic = number(), payload = number();
    const auto properties = flags & kProperties ? number() : 0;
    if (flags & kExpires) {
      const auto left = number();
      if (left > kLongestExpiry) fail();
      m.view.expires_at = now_ + Millis(static_cast<std::int64_t>(ok_ ? left : 0));
    }
    if (flags & kPublisher) m.view.publisher = fixed64();
    if (flags & kIdentity) m.view.identity = fixed64();
    std::uint64_t group = 0;
    if (flags & kGroup) {
      m.hops = byte();
      group = number();
    }
    m.view.topic = take(topic, kLongestText);
    m.view.properties = take(properties, SIZE_MAX);
    m.view.payload = take(payload, SIZE_MAX);
    m.group = take(group, kLongestText);
    if (m.view.topic.empty()) fail();
    return m;
  }
  void appended() {
    const auto filter = name();
    store::AppendedRun run;
    run.previous = position();
    run.first = position();
    const auto n = number(), known = number();
    const auto left = static_cast<std::uint64_t>(end_ - at_);
    if (n == 0 || n > left / kLeastMessage || known > left / kLeastPosition) fail();
    if (!ok_) return;
    run.known.reserve(static_cast<std::size_t>(known));
    for (std::uint64_t i = 0; ok_ && i < known; ++i) run.known.push_back(position());
    run.messages.reserve(static_cast<std::size_t>(n));
    for (std::uint64_t i = 0; ok_ && i < n; ++i) {
      const Message m = message();
      if (ok_) run.messages.push_back(model::Message::copy(m.view));
    }
    if (ok_) sink_.on_appended(filter, run);
  }

  void group() {
    using What = ports::GroupNote::What;
    ports::GroupNote n;
    const auto what = byte();
    n.what = static_cast<What>(what);
    n.answer = byte();
    n.epoch = number();
    n.number = number();
    const auto members = number();
    n.position = position();
    n.filter = name();
    if (what > static_cast<std::uint8_t>(What::answer) || members > UINT32_MAX) fail();
    n.members = static_cast<std::uint32_t>(members);
    if (ok_ && n.what == What::hand) {
      const Message m = message();
      if (ok_) n.message = model::Message::copy(m.view);
    }
    if (ok_) sink_.on_group(std::move(n));
  }

  void frame() {
    switch (static_cast<Frame>(byte())) {
      case Frame::message: {
        const Message m = message();
        return ok_ ? sink_.on_message(m.view, m.group, m.hops) : void();
      }
      case Frame::appended:
        return appended();
      case Frame::hello:
        return one(&EnvelopeSink::on_hello);
      case Frame::route: {
        const auto wants = byte();
        const auto filter = name();
        if (wants > (kWantsLive | kWantsLogged | kWantsGroup | kWantsOwner)) fail();
        return ok_ ? sink_.on_route(filter, wants) : void();
      }
      case Frame::routes_end:
        return sink_.on_routes_end();
      case Frame::log_began:
        return named(&EnvelopeSink::on_log_began);
      case Frame::log_ended:
        return named(&EnvelopeSink::on_log_ended);
      case Frame::kick: {
        const auto n = number(), epoch = number();
        const auto client = text();
        return ok_ ? sink_.on_kick(n, client, epoch) : void();
      }
      case Frame::released:
        return one(&EnvelopeSink::on_released);
      case Frame::connected: {
        const auto since = number();
        const auto client = text();
        if (since > static_cast<std::uint64_t>(kLatestConnect)) fail();
        const ports::ConnectTime t{std::chrono::microseconds(static_cast<std::int64_t>(since))};
        return ok_ ? sink_.on_connected(client, t) : void();
      }
      case Frame::retained: {
        const auto topic = name(), entry = body();
        return ok_ ? sink_.on_retained(topic, entry) : void();
      }
      case Frame::barrier:
        return one(&EnvelopeSink::on_barrier);
      case Frame::answer:
        return one(&EnvelopeSink::on_answer);
      case Frame::gap:
        return one(&EnvelopeSink::on_gap);
      case Frame::request: {
        const auto n = number();
        const auto kind = name(), what = body();
        return ok_ ? sink_.on_request(n, kind, what) : void();
      }
      case Frame::reply: {
        const auto n = number();
        const auto what = body();
        return ok_ ? sink_.on_reply(n, what) : void();
      }
      case Frame::read:
        return one(&EnvelopeSink::on_read);
      case Frame::leaving:
        return sink_.on_leaving();
      case Frame::group:
        return group();
    }
    fail();
  }
  void one(void (EnvelopeSink::*f)(std::uint64_t)) {
    const auto n = number();
    if (ok_) (sink_.*f)(n);
  }
  void named(void (EnvelopeSink::*f)(std::string_view, std::uint64_t)) {
    const auto n = number();
    const auto filter = name();
    if (ok_) (sink_.*f)(filter, n);
  }

  const char* at_;
  const char* const end_;
  const WallTime now_;
  EnvelopeSink& sink_;
  bool ok_ = true;
};

void put_message(std::string& out, Head& head, const model::MessageView& m, WallTime now, std::string_view group,
                 std::uint8_t hops) {
  const bool expires = m.expires_at != kNoExpiry;
  std::uint8_t flags = m.qos;
  if (m.retain) flags |= kRetain;
  if (!m.properties.empty()) flags |= kProperties;
  if (expires) flags |= kExpires;
  if (!group.empty()) flags |= kGroup;
  if (m.publisher) flags |= kPublisher;
  if (m.identity) flags |= kIdentity;
  head.byte(flags).size(m.topic).size(m.payload);
  if (!m.properties.empty()) head.size(m.properties);
  if (expires) head.number(left_of(m.expires_at, now));
  if (m.publisher) head.fixed64(m.publisher);
  if (m.identity) head.fixed64(m.identity);
  if (!group.empty()) head.byte(hops).size(group);
  head.into(out, {m.topic, m.properties, m.payload, group});
}

}  // namespace

void EnvelopeWriter::message(const model::MessageView& m, WallTime now, std::string_view group, std::uint8_t hops) {
  Head head(Frame::message);
  put_message(out_, head, m, now, group, hops);
}

void EnvelopeWriter::appended(std::string_view filter, const store::AppendedRun& run, WallTime now) {
  Head(Frame::appended).size(filter).into(out_, {filter});
  Head().position(run.previous).position(run.first).number(run.messages.size()).number(run.known.size()).into(out_);
  for (auto& p : run.known) Head().position(p).into(out_);
  for (auto& m : run.messages) {
    Head head;
    put_message(out_, head, m->view(), now, {}, 0);
  }
}

void EnvelopeWriter::hello(std::uint64_t receiver_epoch) { Head(Frame::hello).number(receiver_epoch).into(out_); }
void EnvelopeWriter::route(std::string_view filter, std::uint8_t wants) {
  Head(Frame::route).byte(wants).size(filter).into(out_, {filter});
}
void EnvelopeWriter::routes_end() { Head(Frame::routes_end).into(out_); }
void EnvelopeWriter::log_began(std::string_view filter, std::uint64_t incarnation) {
  Head(Frame::log_began).number(incarnation).size(filter).into(out_, {filter});
}
void EnvelopeWriter::log_ended(std::string_view filter, std::uint64_t incarnation) {
  Head(Frame::log_ended).number(incarnation).size(filter).into(out_, {filter});
}
void EnvelopeWriter::kick(std::uint64_t number, std::string_view client_id, std::uint64_t epoch) {
  Head(Frame::kick).number(number).number(epoch).size(client_id).into(out_, {client_id});
}
void EnvelopeWriter::released(std::uint64_t number) { Head(Frame::released).number(number).into(out_); }
void EnvelopeWriter::connected(std::string_view client_id, ports::ConnectTime since) {
  const auto us = std::clamp<std::int64_t>(since.time_since_epoch().count(), 0, kLatestConnect);
  Head(Frame::connected).number(static_cast<std::uint64_t>(us)).size(client_id).into(out_, {client_id});
}
void EnvelopeWriter::retained(std::string_view topic, std::string_view entry) {
  Head(Frame::retained).size(topic).into(out_, {topic});
  Head().size(entry).into(out_, {entry});
}
void EnvelopeWriter::barrier(std::uint64_t number) { Head(Frame::barrier).number(number).into(out_); }
void EnvelopeWriter::answer(std::uint64_t barrier) { Head(Frame::answer).number(barrier).into(out_); }
void EnvelopeWriter::gap(std::uint64_t dropped) { Head(Frame::gap).number(dropped).into(out_); }
void EnvelopeWriter::request(std::uint64_t number, std::string_view kind, std::string_view body) {
  Head(Frame::request).number(number).size(kind).into(out_, {kind});
  Head().size(body).into(out_, {body});
}
void EnvelopeWriter::reply(std::uint64_t number, std::string_view body) {
  Head(Frame::reply).number(number).size(body).into(out_, {body});
}
void EnvelopeWriter::read(std::uint64_t sequence) { Head(Frame::read).number(sequence).into(out_); }
void EnvelopeWriter::leaving() { Head(Frame::leaving).into(out_); }

void EnvelopeWriter::group(const ports::GroupNote& n, WallTime now) {
  Head(Frame::group)
      .byte(static_cast<std::uint8_t>(n.what))
      .byte(n.answer)
      .number(n.epoch)
      .number(n.number)
      .number(n.members)
      .position(n.position)
      .size(n.filter)
      .into(out_, {n.filter});
  if (n.what != ports::GroupNote::What::hand) return;
  Head head;
  put_message(out_, head, n.message->view(), now, {}, 0);
}

EnvelopeFault read_envelope(std::string_view bytes, WallTime now, EnvelopeSink& sink) {
  return Reader(bytes, now, sink).run();
}

}  // namespace sb::cluster
