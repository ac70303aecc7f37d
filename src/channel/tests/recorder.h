// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>
#include <sys/uio.h>

#include <deque>
#include <functional>
#include <set>

#include "channel/channel.h"
#include "channel/tests/words.h"

namespace sb::channel::test {

/// What the channel called, one line each, and what it wrote; taken by the test after each step.
using Calls = std::vector<std::string>;

inline std::string joined(const Calls& calls) {
  std::string all;
  for (auto& c : calls) all += (all.empty() ? "" : "; ") + c;
  return all;
}

class RecordingTransport final : public Transport {
 public:
  explicit RecordingTransport(Calls& calls) : calls_(calls) {}
  void flush_soon() override { ++flushes; }
  void close_soon() override { calls_.emplace_back("close"); }
  void resume_input() override { resume = true; }
  void deadline_changed() override { ++deadline_changes; }
  std::string peer() const override { return "peer:1"; }
  Ip address() const override { return {}; }
  std::string tls_identity() const override { return identity; }

  int flushes = 0, deadline_changes = 0;
  bool resume = false;
  std::string identity;

 private:
  Calls& calls_;
};

/// Answers at once, or holds its answers until the test gives them.
class RecordingHost final : public Host {
 public:
  explicit RecordingHost(Calls& calls) : calls_(calls) {
    now = MonoTime(Seconds(1000));
    wall = WallTime(Seconds(2'000'000'000));
  }

  // What it answers.
  bool hold_auth = false, hold_open = false, hold_routes = false, hold_subscribes = false;
  bool hold_inbound = false, hold_outbound = false;
  ports::AuthDecision decision;
  Reason open_reason = Reason::success;  ///< a refusal: no session
  bool present = false;
  Reason route_reason = Reason::success;
  std::set<std::string, std::less<>> forbidden;  ///< topics that may not be published to
  std::function<std::unique_ptr<ports::AuthExchange>(std::string_view method, const ports::Credentials&)> exchange;
  std::unique_ptr<session::Session> kept;  ///< given back by closed(), given out by the next open()
  OpenRequest request;                     ///< the last one
  std::deque<std::uint64_t> held_routes;   ///< sequence numbers that wait for an answer
  int memos = 0, pumps = 0;

  std::unique_ptr<session::Session> session_for(const OpenRequest& r) {
    if (kept) return std::move(kept);
    auto s = std::make_unique<session::Session>();
    s->client_id = r.client_id;
    s->username = r.username;
    s->expiry = r.expiry;
    s->durable = r.expiry > 0;
    return s;
  }

  std::vector<std::string> events;  ///< of the kinds that it hears
  bool hold_admission = false;
  Reason admission = Reason::success;

  void happened(const Event& e) override {
    events.push_back(fmt::format("{} {} {} {}", static_cast<int>(e.kind), e.client, e.reason, e.what));
  }
  void refused(Channel&, Reason) override {}
  void admit(Channel& c, std::string_view, bool) override {
    if (!hold_admission) c.admitted(admission);
  }
  void authenticate(Channel& c, const ports::Credentials& who) override {
    std::string w = fmt::format("authenticate {}", who.client_id);
    if (who.username) w += fmt::format(" user={}", *who.username);
    if (who.password) w += fmt::format(" password={}", *who.password);
    if (!who.proven.empty()) w += fmt::format(" proven={}", who.proven);
    if (!who.tls_identity.empty()) w += fmt::format(" tls={}", who.tls_identity);
    if (who.anonymous_allowed) w += " anonymous";
    calls_.push_back(w + " " + std::string(who.peer));
    if (decision.username.empty()) decision.username = who.proven;
    if (!hold_auth) c.authenticated(decision);
  }
  std::unique_ptr<ports::AuthExchange> start_exchange(std::string_view method, const ports::Credentials& who) override {
    calls_.push_back(fmt::format("exchange {} {}", method, who.client_id));
    return exchange ? exchange(method, who) : nullptr;
  }
  void open(Channel& c, OpenRequest r) override {
    std::string w = fmt::format("open {}", r.client_id);
    if (!r.username.empty()) w += " as " + r.username;
    if (r.clean_start) w += " clean";
    if (r.expiry) w += fmt::format(" expiry={}", r.expiry);
    if (r.will.message) w += " will=" + std::string(r.will.message->view().topic);
    calls_.push_back(w);
    request = r;
    if (hold_open) return;
    if (ok(open_reason))
      c.opened(session_for(r), present, Reason::success);
    else
      c.opened(nullptr, false, open_reason);
  }
  void started(Channel& c) override {
    ASSERT_TRUE(c.has_session()) << "started without a session";
    calls_.emplace_back("started");
  }
  std::string new_client_id() override { return "made-1"; }

  bool may_publish(Channel&, std::string_view topic, bool) override { return !forbidden.contains(topic); }
  TopicMemoPtr memo(std::string_view topic) override {
    ++memos;
    TopicMemoPtr m(new TopicMemo);
    m->topic = topic;
    return m;
  }
  Routed route(Channel&, TopicMemoPtr& memo, model::MessageView& m, const EncodedFrame& frame, PacketId id,
               std::uint64_t seq) override {
    std::string payload = m.payload.size() > 100 ? fmt::format("<{}>", m.payload.size()) : std::string(m.payload);
    std::string w = fmt::format("route {} {} q{}", m.topic, payload, m.qos);
    if (id) w += fmt::format(" #{}", id);
    if (m.retain) w += " retain";
    if (m.expires_at != kNoExpiry) w += fmt::format(" expires={}", (m.expires_at - wall).count() / 1000);
    if (!m.properties.empty()) w += fmt::format(" properties={}", m.properties.size());
    if (frame.data) w += " as-it-came";
    if (memo->topic != m.topic) w += " with the memo of " + memo->topic;
    calls_.push_back(w);
    last_frame = frame.data ? std::string(frame.data, frame.size) : std::string();
    last_id_at = frame.id_at;
    last_publisher = m.publisher;
    if (hold_routes && m.qos > 0) {
      held_routes.push_back(seq);
      return {true, Reason::success};
    }
    return {false, route_reason};
  }
  std::string last_frame;
  std::uint32_t last_id_at = 0;
  std::uint64_t last_publisher = 0;

  bool release_inbound(Channel&, PacketId id) override {
    calls_.push_back(fmt::format("release_inbound {}", id));
    return hold_inbound;
  }
  void subscribe(Channel& c, PacketId id, std::vector<SubscribeItem>& items, std::uint32_t subscription_id) override {
    std::string w = fmt::format("subscribe {}", id);
    std::vector<Reason> codes;
    for (auto& i : items) {
      w += fmt::format(" {}:{}", i.filter, static_cast<int>(i.options.qos));
      if (i.options.no_local) w += ",nl";
      if (i.options.retain_as_published) w += ",rap";
      if (i.options.retain_handling) w += fmt::format(",rh{}", static_cast<int>(i.options.retain_handling));
      w += in_brackets(i.reason);
      codes.push_back(ok(i.reason) ? static_cast<Reason>(+i.options.qos) : i.reason);
    }
    if (subscription_id) w += fmt::format(" sub={}", subscription_id);
    calls_.push_back(w);
    if (!hold_subscribes) c.subscribed(id, codes);
  }
  void unsubscribe(Channel& c, PacketId id, const std::vector<std::string_view>& filters) override {
    std::string w = fmt::format("unsubscribe {}", id);
    for (auto f : filters) w += fmt::format(" {}", f);
    calls_.push_back(w);
    if (!hold_subscribes) c.unsubscribed(id, std::vector<Reason>(filters.size(), Reason::success));
  }
  bool release_outbound(Channel&, PacketId id, session::InFlight&) override {
    calls_.push_back(fmt::format("release_outbound {}", id));
    return hold_outbound;
  }
  void delivered(Channel&, PacketId id, session::InFlight&) override {
    calls_.push_back(fmt::format("delivered {}", id));
  }
  void pump(Channel&) override { ++pumps; }
  void closed(Channel& c, std::unique_ptr<session::Session> s, Ending how) override {
    const char* endings[] = {"disconnected", "with_will", "taken_over"};
    std::string w = fmt::format("closed {}", endings[static_cast<int>(how)]);
    if (!s) w += " without session";
    if (c.will() && c.will()->message) w += " will=" + std::string(c.will()->message->view().topic);
    calls_.push_back(w);
    kept = std::move(s);
  }

 private:
  Calls& calls_;
};

/// A channel with both ends in the hands of the test.
class Bench {
 public:
  explicit Bench(Version v = Version::v5, ChannelConfig c = {})
      : config(std::move(c)), host(calls), transport(calls), version(v) {
    config.allow_anonymous = true;
    start();
  }
  /// A new connection on the same host.
  void start() {
    channel.reset();
    channel = std::make_unique<Channel>(transport, host, config);
    pending.clear();
    transport.resume = false;
  }
  /// Bytes from the client; offers again what was not taken when the channel asks for it.
  void feed(std::string_view bytes) {
    pending += bytes;
    do {
      transport.resume = false;
      std::size_t n = channel->input(pending);
      ASSERT_LE(n, pending.size());
      pending.erase(0, n);
    } while (transport.resume && !pending.empty());
  }
  /// As feed(), and what came of it: the calls, then "→" and what was sent, when there is something.
  std::string in(std::string_view bytes) {
    feed(bytes);
    return happened();
  }
  std::string happened() {
    if (transport.resume) feed({});
    std::string c = took(), s = sent();
    return s.empty() ? c : c + (c.empty() ? "" : " ") + "→ " + s;
  }
  std::string took() { return joined(std::exchange(calls, {})); }
  /// What was written since the last time, in words.
  std::string sent() { return words(version, sent_bytes()); }
  std::string sent_bytes() {
    std::string bytes = peek();
    channel->out().consume(bytes.size());
    channel->flushed();
    return bytes;
  }
  std::string peek() {
    std::vector<iovec> pieces(4096);
    int n = channel->out().peek(pieces.data(), static_cast<int>(pieces.size()));
    std::string bytes;
    for (int i = 0; i < n; ++i)
      bytes.append(static_cast<const char*>(pieces[static_cast<std::size_t>(i)].iov_base),
                   pieces[static_cast<std::size_t>(i)].iov_len);
    return bytes;
  }

  mqtt::ConnectOut connect_out(std::string_view id = "c") const {
    mqtt::ConnectOut out;
    out.version = version;
    out.client_id = id;
    out.keep_alive = 0;
    return out;
  }
  std::string connect(const mqtt::ConnectOut& out) const {
    std::string s;
    encode_connect(s, out);
    return s;
  }
  /// Brings the connection up, and forgets how.
  void up(std::string_view properties = {}, bool clean = true) {
    auto out = connect_out();
    out.properties = properties;
    out.clean_start = clean;
    feed(connect(out));
    ASSERT_TRUE(channel->up()) << joined(calls);
    calls.clear();
    sent_bytes();
  }
  std::string in(const Pub& p) { return in(publish(version, p)); }
  void answer_route(std::uint64_t seq, Reason r = Reason::success) { channel->routed(seq, r); }

  /// Offers a message to the client.
  Delivered deliver(std::string_view topic, std::string_view payload, std::uint8_t qos, bool retain = false,
                    std::vector<std::uint32_t> ids = {}, std::uint32_t group = 0, std::string_view properties = {},
                    WallTime expires = kNoExpiry) {
    model::MessageView m;
    m.topic = topic;
    m.payload = payload;
    m.qos = qos;
    m.properties = properties;
    m.expires_at = expires;
    Fanout f(m, host.wall, scratch);
    return channel->deliver(f, qos, retain, ids, group);
  }

  Calls calls;
  ChannelConfig config;
  RecordingHost host;
  RecordingTransport transport;
  Version version;
  std::unique_ptr<Channel> channel;
  std::string pending;
  Fanout::Scratch scratch;
};

inline constexpr Version kVersions[] = {Version::v31, Version::v311, Version::v5};

}  // namespace sb::channel::test
