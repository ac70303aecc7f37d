// SPDX-License-Identifier: MIT
#include "app/verify_client.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::app {
namespace {

constexpr std::uint32_t kSessionExpiry = 24 * 3600;  // seconds: longer than any run, and not for ever if we die
constexpr Millis kFirstPause{20}, kLongestPause{1'000};

/// Whether a broker that has refused may take us later, as one does that is not quite there yet.
bool passing(mqtt::Reason r) {
  using enum mqtt::Reason;
  return r == server_unavailable || r == server_busy || r == server_shutting_down || r == connection_rate_exceeded ||
         r == quota_exceeded;
}

client::Options session_options(const VerifyShared& s, std::uint32_t number, bool durable) {
  client::Options o = s.base;
  if (s.options.mixed_versions()) o.version = number % 2 ? mqtt::Version::v5 : mqtt::Version::v311;
  o.clean_start = !durable;
  if (durable)
    o.session_expiry = kSessionExpiry;
  else
    o.session_expiry.reset();
  o.resend = true;
  o.max_inflight = static_cast<std::uint16_t>(s.options.window);
  return o;
}

}  // namespace

VerifyClient::VerifyClient(VerifyShared& shared, std::uint32_t number, std::string id, bool durable)
    : shared_(shared),
      number_(number),
      durable_(durable),
      who_(shared.journal.add_client(id)),
      node_(number / 2 % shared.wirings.size()),  // both versions on each node
      wiring_(shared.wirings[node_]),
      options_(session_options(shared, number, durable)),
      connection_(shared.hub, wiring_, options_, std::move(id), *this),
      back_([this] {
        away_ = false;
        connection_.connect();
      }) {}

VerifyClient::~VerifyClient() { shared_.hub.loop().timers().cancel(back_); }

std::uint32_t VerifyClient::link() const {
  return static_cast<std::uint32_t>(shared_.journal.links(who_).size()) - (linked_ ? 1 : 0);
}

void VerifyClient::unlink() {
  if (!linked_) return;
  linked_ = false;
  shared_.journal.closed(who_, shared_.moment());
  if (ending_ == Ending::no) disconnected();
}

/// To one of the other nodes.
void VerifyClient::move_on() {
  std::size_t nodes = shared_.wirings.size();
  if (nodes > 1) node_ = (node_ + 1 + shared_.random() % (nodes - 1)) % nodes;
  wiring_ = shared_.wirings[node_];
}

void VerifyClient::come_back(Millis pause) {
  move_on();
  shared_.hub.loop().timers().set(back_, shared_.now() + pause);
}

void VerifyClient::cut(Millis away) {
  unlink();
  connection_.abort();
  away_ = away.count() > 0;
  come_back(away);
}

void VerifyClient::leave(Millis away) {
  leaving_ = away_ = true;
  absence_ = away;
  connection_.disconnect();
}

void VerifyClient::ask() {
  answered_ = false;
  (void)engine().unsubscribe({"verify/nothing"});  // lost with the connection, and then asked again
}

void VerifyClient::forget() {
  shared_.hub.loop().timers().cancel(back_);
  ending_ = Ending::closing;
  options_.resend = false;
  if (up()) return connection_.disconnect();
  connection_.abort();
  durable_ ? end_session() : void(ending_ = Ending::gone);
}

/// A clean session takes the place of the durable one and ends with its connection.
void VerifyClient::end_session() {
  ending_ = Ending::cleaning;
  options_.clean_start = true;
  options_.session_expiry = 0;
  connection_.connect();
}

void VerifyClient::on_connected(const mqtt::Connack& c) {
  if (ending_ != Ending::no) return connection_.disconnect();
  attempts_ = 0;
  ++shared_.conduct.connects;
  ++shared_.conduct.connects_by_node[shared_.journal.node(static_cast<std::uint32_t>(node_))];
  if (accepted_) ++shared_.conduct.reconnects;
  if (!durable_ && c.session_present) ++shared_.conduct.unasked_sessions;
  accepted_ = true;
  shared_.journal.opened(who_, static_cast<std::uint32_t>(node_), shared_.moment());
  linked_ = true;
  // MQTT 3.1 does not say whether there was a session.
  connected(options_.version == mqtt::Version::v31 ? durable_ && ready_ : c.session_present);
}

bool VerifyClient::forgotten(bool session_present, const char* role) {
  if (!durable_ || !ready_ || session_present) return false;
  shared_.ledger->forget(fmt::format("{} {} was {}", role, shared_.journal.id(who_), shared_.journal.last_move(who_)),
                         shared_.moment());
  return true;
}

void VerifyClient::on_closed(const client::Stop& stop) {
  if (ending_ == Ending::closing && durable_) return end_session();
  if (ending_ != Ending::no) {
    ending_ = Ending::gone;
    return;
  }
  bool was_linked = linked_;
  unlink();
  if (leaving_) {
    leaving_ = false;
    return come_back(absence_);
  }
  ++shared_.conduct.losses;
  bool said = stop.code == client::errc::refused || stop.code == client::errc::server_disconnect;
  ++(was_linked ? shared_.conduct.closed : shared_.conduct.refused)[said ? in_words(stop.reason) : stop.code.message()];
  bool never = (stop.code == client::errc::refused && !passing(stop.reason)) || stop.code == client::errc::tls_failed;
  if (!shared_.opened && never) {
    std::string why = explain(stop, wiring_.target, false);
    bool old = stop.reason == mqtt::Reason::unsupported_protocol_version && shared_.options.mixed_versions();
    return shared_.fail(old ? why + ". Name one version: -V mqttv311, or -V mqttv5" : why);
  }
  // Every node is tried before the pause grows.
  auto round = attempts_++ / static_cast<unsigned>(shared_.wirings.size());
  Millis pause = std::min(kLongestPause, kFirstPause * (1 << std::min(round, 6u)));
  come_back(pause / 2 +
            Millis(static_cast<std::int64_t>(shared_.random() % static_cast<std::uint64_t>(pause.count()))));
}

bool VerifyPublisher::publish() {
  if (!up()) return false;
  const VerifyOptions& o = shared_.options;
  auto topic = static_cast<std::uint32_t>(shared_.random() % o.topics);
  std::uint8_t qos = o.qos == "mixed" ? 1 + shared_.random() % 2 : o.qos == "1" ? 1 : 2;
  MessageName m = shared_.ledger->next(number_, topic, qos);
  auto size = static_cast<std::uint32_t>(o.payload.pick(shared_.random));
  auto error =
      engine().publish({.topic = shared_.wire->topic(topic), .payload = shared_.wire->payload(m, size), .qos = qos},
                       shared_.ledger->token(m));
  if (!error) {
    shared_.ledger->send(m, shared_.moment(), link());
    return true;
  }
  bool passing =
      error == client::errc::window_full || error == client::errc::output_full || error == client::errc::not_connected;
  if (!passing) shared_.fail(fmt::format("cannot publish: {}", error.message()));
  return false;
}

void VerifyPublisher::fill() {
  while (shared_.publishing && publish()) {
  }
}

void VerifyPublisher::connected(bool session_present) {
  (void)forgotten(session_present, "publisher");
  ready_ = true;
  on_room();
}

void VerifyPublisher::on_room() {
  if (shared_.options.rate <= 0) fill();
}

void VerifyPublisher::on_resent(std::uint64_t token) { shared_.ledger->resend(shared_.ledger->message(token), link()); }

void VerifyPublisher::on_published(std::uint64_t token, mqtt::Reason reason, std::string_view) {
  shared_.last_news = shared_.now();
  MessageName m = shared_.ledger->message(token);
  // PUBCOMP with "packet identifier not found" comes after a PUBREC, which has taken the message over [MQTT-4.3.3].
  if (ok(reason) || reason == mqtt::Reason::packet_identifier_not_found)
    shared_.ledger->acknowledge(m, shared_.moment());
  else
    shared_.ledger->refuse(m), ++shared_.conduct.refused_publishes[in_words(reason)];
  on_room();
}

VerifySubscriber::VerifySubscriber(VerifyShared& shared, VerifySubscription plan, std::string id)
    : VerifyClient(shared, plan.number, std::move(id), plan.durable),
      entry_(plan.entry),
      filters_(std::move(plan.filters)),
      qos_(plan.qos) {}

void VerifySubscriber::connected(bool session_present) {
  inputs_ = engine().inputs();
  heard_ = watched_ = shared_.moment();
  bool anew = forgotten(session_present, "subscriber");
  if (!ready_ || !durable_ || anew) subscribe();
}

void VerifySubscriber::disconnected() {
  if (durable_) return;
  watch();
  shared_.ledger->end(entry_, heard_);
}

/// What came since the last time may have come right after it.
void VerifySubscriber::watch() {
  if (durable_) return;
  if (engine().inputs() != inputs_) heard_ = std::max(heard_, watched_);
  inputs_ = engine().inputs();
  watched_ = shared_.moment();
}

void VerifySubscriber::subscribe() {
  std::vector<mqtt::SubscribeEntryOut> entries;
  for (const std::string& f : filters_) {
    entries.push_back({f, {}});
    entries.back().options.qos = qos_ & 3;
  }
  (void)engine().subscribe(entries);  // right after CONNACK nothing is in its way
}

void VerifySubscriber::on_suback(const mqtt::SubscribeAck& a) {
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    unsigned code = i < a.codes.size() ? static_cast<unsigned char>(a.codes[i]) : 0x80;
    if (code == qos_) continue;
    return shared_.fail(
        code >= 0x80
            ? fmt::format("cannot subscribe to {}: {}", filters_[i], in_words(static_cast<mqtt::Reason>(code)))
            : fmt::format("the broker grants QoS {} for {}; try --qos {}", code, filters_[i], std::max(code, 1u)));
  }
  ready_ = true;
  if (!durable_) shared_.ledger->begin(entry_, shared_.moment());
}

void VerifySubscriber::on_message(const mqtt::Publish& m) {
  std::string problem;
  heard_ = shared_.moment();
  if (auto name = shared_.wire->read(m.topic, m.payload, problem))
    shared_.ledger->deliver(entry_, *name, m.qos, heard_);
  else
    shared_.ledger->forge(entry_, std::move(problem), heard_);
  shared_.pauses.message(entry_, heard_);
  MonoTime now = shared_.now();
  if (shared_.publishing)
    shared_.conduct.longest_pause = std::max(shared_.conduct.longest_pause, now - shared_.last_delivery);
  shared_.last_delivery = shared_.last_news = now;
}

}  // namespace sb::app
