// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/client_run.h"
#include "app/verify_ledger.h"
#include "app/verify_message.h"
#include "app/verify_options.h"
#include "app/verify_pauses.h"
#include "app/verify_plan.h"
#include "app/verify_trace.h"
#include "client/connection.h"
#include "client/hub.h"

namespace sb::app {

/// What the clients met on their way.
struct VerifyConduct {
  std::uint64_t connects = 0;            ///< connections accepted
  std::uint64_t reconnects = 0;          ///< of these, after the first one of each client
  std::uint64_t cuts = 0, absences = 0;  ///< made by us
  std::uint64_t losses = 0;              ///< attempts that failed, and connections that ended without our doing
  std::uint64_t unasked_sessions = 0;    ///< session present although the client has none: a breach
  std::uint64_t unreachable = 0;         ///< clients that were not connected at the end
  std::uint64_t unfinished = 0;          ///< 1: the broker had not come to rest when the time was up
  Millis longest_pause{0};               ///< without any delivery, while there was publishing
  using Reasons = std::map<std::string, std::uint64_t>;
  Reasons refused;            ///< attempts to connect that failed, by reason
  Reasons closed;             ///< accepted connections that ended without our doing, by reason
  Reasons refused_publishes;  ///< by reason
  Reasons connects_by_node;   ///< accepted
  VerifyPauses::Summary pauses;
};

/// What all clients of a run share. Owner: the thread of the hub.
struct VerifyShared {
  VerifyShared(const VerifyOptions& o, client::Hub& h, std::uint64_t seed) : options(o), hub(h), random(seed) {}

  const VerifyOptions& options;
  client::Hub& hub;
  Random random;
  std::vector<client::Wiring> wirings;  ///< of each node
  client::Options base;                 ///< credentials and keep alive
  VerifyLedger* ledger = nullptr;
  VerifyWire* wire = nullptr;
  VerifyConduct conduct;
  MonoTime last_news{};      ///< last delivery or acknowledgement
  MonoTime last_delivery{};  ///< or start of publishing
  MonoTime began{};
  VerifyJournal journal;
  VerifyPauses pauses;
  bool publishing = false;
  bool opened = false;  ///< everybody was connected once: from now on every failure is waited out
  std::string error;    ///< why the run cannot go on
  MonoTime now() const { return hub.loop().now(); }
  Moment moment() const { return static_cast<Moment>((now() - began).count() + 1); }
  void fail(std::string why) {
    if (error.empty()) error = std::move(why);
  }
};

/// One client that comes back to another node, chosen at random, whenever its connection ends or cannot be made.
class VerifyClient : protected client::Handler {
 public:
  /// `number`: of this publisher, or of this subscriber, from 0. It chooses the version, when they are mixed, and the
  /// node to begin with. `durable`: it has a session that outlives its connections.
  VerifyClient(VerifyShared& shared, std::uint32_t number, std::string id, bool durable);
  virtual ~VerifyClient();
  VerifyClient(const VerifyClient&) = delete;

  void open() { connection_.connect(); }
  /// The connection ends without a word; what lies in the socket is lost. Comes back after `away`.
  void cut(Millis away);
  /// Says DISCONNECT, which keeps the session, and comes back after `away`.
  void leave(Millis away);
  /// Makes the broker forget the session, if there is one. gone() when that is done.
  void forget();
  bool gone() const { return ending_ == Ending::gone; }

  /// Asks the broker something to which it can answer only when it has read all that we sent before: our
  /// acknowledgements, without which it may hold messages back.
  void ask();
  bool answered() const { return answered_; }

  bool up() { return connection_.engine().connected(); }
  /// Is staying away, or on its way back from that.
  bool away() const { return away_; }
  /// Has been accepted once and, if it subscribes, subscribed.
  bool ready() const { return ready_; }

 protected:
  void on_connected(const mqtt::Connack& c) override;
  void on_closed(const client::Stop& stop) override;
  void on_unsuback(const mqtt::SubscribeAck&) override { answered_ = true; }
  virtual void connected(bool session_present) = 0;
  /// The connection has ended in the midst of the run, for whatever reason.
  virtual void disconnected() {}
  client::Engine& engine() { return connection_.engine(); }
  /// Whether a session that the broker had promised to keep is gone; if so, that is in the books.
  bool forgotten(bool session_present, const char* role);
  /// The number of the connection that stands or is being made, counted from 0.
  std::uint32_t link() const;

  VerifyShared& shared_;
  std::uint32_t number_;
  bool durable_;
  bool ready_ = false;

 private:
  enum class Ending : std::uint8_t { no, closing, cleaning, gone };
  void come_back(Millis pause);
  void end_session();
  void unlink();
  void move_on();

  std::uint32_t who_;  ///< in the journal
  std::size_t node_;
  client::Wiring wiring_;
  client::Options options_;
  client::Connection connection_;
  CallTimer back_;
  bool accepted_ = false;  ///< ever
  bool linked_ = false;    ///< now
  bool away_ = false, leaving_ = false, answered_ = false;
  Millis absence_{0};
  unsigned attempts_ = 0;
  Ending ending_ = Ending::no;
};

/// Publishes numbered messages on all topics.
class VerifyPublisher final : public VerifyClient {
 public:
  using VerifyClient::VerifyClient;
  /// One message on a random topic. False when it cannot be sent now.
  bool publish();
  /// As many as the window takes.
  void fill();
  std::size_t unacknowledged() { return engine().unacknowledged(); }

 private:
  void connected(bool session_present) override;
  void on_resent(std::uint64_t token) override;
  void on_published(std::uint64_t token, mqtt::Reason reason, std::string_view) override;
  void on_room() override;
};

/// Subscribes with its filters and enters all that comes into the books.
class VerifySubscriber final : public VerifyClient {
 public:
  VerifySubscriber(VerifyShared& shared, VerifySubscription plan, std::string id);
  /// To be called a few times a second: without a session it takes note of the broker's signs of life.
  void watch();

 private:
  void connected(bool session_present) override;
  void disconnected() override;
  void on_suback(const mqtt::SubscribeAck& a) override;
  void on_message(const mqtt::Publish& m) override;
  void subscribe();

  std::uint32_t entry_;
  std::vector<std::string> filters_;
  std::uint8_t qos_;
  std::uint64_t inputs_ = 0;  ///< of the engine when it was watched last
  Moment watched_ = 0;        ///< when that was
  Moment heard_ = 0;          ///< something came from the broker then, or after it
};

}  // namespace sb::app
