// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/message.h"
#include "ports/peers.h"
#include "store/log_peers.h"

namespace sb::cluster {

/// The bytes of one field of a bus entry: a version, and frames one behind the other. A frame is its type, its fixed
/// part with numbers as varints (7 bits a byte, low ones first), and the texts whose sizes stood there. What one
/// version has written only that version reads: nodes of two versions do not talk.
inline constexpr std::uint8_t kEnvelopeVersion = 1;

/// What a node wants of a filter, all its sessions together: bits, since notices of a log go to whoever has sessions
/// that read it, whatever others want.
enum Wants : std::uint8_t { kWantsLive = 1, kWantsLogged = 2, kWantsGroup = 4, kWantsOwner = 8 };
constexpr std::uint8_t kReadsLog = kWantsLogged | kWantsOwner;

/// Puts frames behind each other into `out`, which begins empty. Nothing is allocated but what `out` grows by.
class EnvelopeWriter {
 public:
  explicit EnvelopeWriter(std::string& out) : out_(out) {
    if (out_.empty()) out_.push_back(static_cast<char>(kEnvelopeVersion));
  }
  /// `group`, `hops`: see ports::PeerBatch::Item. The expiry is written as what remains of it at `now`.
  void message(const model::MessageView& m, WallTime now, std::string_view group = {}, std::uint8_t hops = 0);
  void appended(std::string_view filter, const store::AppendedRun& run, WallTime now);

  /// First frame of a stream: what follows is for the life of the receiver with this epoch. Its routes follow, all of
  /// them, up to routes_end().
  void hello(std::uint64_t receiver_epoch);
  void route(std::string_view filter, std::uint8_t wants);  ///< 0 = nothing any more
  void routes_end();
  void log_began(std::string_view filter, std::uint64_t incarnation);
  void log_ended(std::string_view filter, std::uint64_t incarnation);
  void kick(std::uint64_t number, std::string_view client_id, std::uint64_t epoch);
  void released(std::uint64_t number);
  void connected(std::string_view client_id, ports::ConnectTime since);
  void retained(std::string_view topic, std::string_view entry);  ///< "" = cleared
  void barrier(std::uint64_t number);
  void answer(std::uint64_t barrier);
  void gap(std::uint64_t dropped);  ///< so much was left out before this
  void request(std::uint64_t number, std::string_view kind, std::string_view body);
  void reply(std::uint64_t number, std::string_view body);
  void read(std::uint64_t sequence);  ///< the entries that the receiver of this sent here are read up to there
  void leaving();
  void group(const ports::GroupNote& n, WallTime now);

 private:
  std::string& out_;
};

/// What frames are told to, in their order. Views are valid during the call.
class EnvelopeSink {
 public:
  virtual void on_message(const model::MessageView& m, std::string_view group, std::uint8_t hops) = 0;
  virtual void on_appended(std::string_view filter, const store::AppendedRun& run) = 0;
  virtual void on_hello(std::uint64_t receiver_epoch) = 0;
  virtual void on_route(std::string_view filter, std::uint8_t wants) = 0;
  virtual void on_routes_end() = 0;
  virtual void on_log_began(std::string_view filter, std::uint64_t incarnation) = 0;
  virtual void on_log_ended(std::string_view filter, std::uint64_t incarnation) = 0;
  virtual void on_kick(std::uint64_t number, std::string_view client_id, std::uint64_t epoch) = 0;
  virtual void on_released(std::uint64_t number) = 0;
  virtual void on_connected(std::string_view client_id, ports::ConnectTime since) = 0;
  virtual void on_retained(std::string_view topic, std::string_view entry) = 0;
  virtual void on_barrier(std::uint64_t number) = 0;
  virtual void on_answer(std::uint64_t barrier) = 0;
  virtual void on_gap(std::uint64_t dropped) = 0;
  virtual void on_request(std::uint64_t number, std::string_view kind, std::string_view body) = 0;
  virtual void on_reply(std::uint64_t number, std::string_view body) = 0;
  virtual void on_read(std::uint64_t sequence) = 0;
  virtual void on_leaving() = 0;
  virtual void on_group(ports::GroupNote&& n) = 0;

 protected:
  ~EnvelopeSink() = default;
};

enum class EnvelopeFault : std::uint8_t { none, version, malformed };

/// Reads one field. At a fault the frames before it were told, and nothing behind it. Messages expire as from `now`.
EnvelopeFault read_envelope(std::string_view bytes, WallTime now, EnvelopeSink& sink);

}  // namespace sb::cluster
