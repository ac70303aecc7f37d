// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "base/hash_map.h"
#include "ports/log_store.h"
#include "ports/session_store.h"
#include "store/embedded_engine.h"

namespace sb::store::embedded {

/// Session records on the disk: a core, a key per subscription, cursor and packet id, so that a change writes only what
/// changed. In memory is who is connected; nothing of a session that is not.
class EmbeddedSessions final : public ports::SessionStore, public Part {
 public:
  EmbeddedSessions(EmbeddedEngine& engine, ports::LogStore& logs);

  bool any() const override { return any_.load(std::memory_order_acquire); }
  void claim(Claim c, Done<Claimed> done) override;
  void change(std::string_view client_id, std::uint64_t epoch, ports::SessionChange c, Done<void> done) override;
  void end(std::string_view client_id, std::uint64_t epoch, Done<void> done) override;
  void outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) override;
  void take_due(WallTime now, Done<std::vector<Due>> done) override;
  void fired(std::uint64_t will) override;

  // --- Part
  std::string load() override;
  void on_tick() override;

 private:
  static constexpr std::size_t kDueAtOnce = 2000;
  using Core = model::SessionRecord;  ///< without what has keys of its own
  struct Owner {
    std::uint64_t epoch;
    std::uint64_t write;  ///< in which it was stored
  };

  WallTime time(WallTime now);
  std::optional<Core> core(std::string_view client_id);
  void put(const Core& c);
  void read_whole(Core& c);
  void forget(const Core& c);
  void schedule(const Core& c);
  void unschedule(const Core& c);
  void connect(const Core& c);
  void disconnect(const Core& c);
  void apply(const std::string& client_id, ports::SessionChange& c);
  static bool changes_core(const ports::SessionChange& c) { return c.next_order || c.will || c.expiry || c.left; }
  std::vector<std::pair<WallTime, std::string>> due_until(WallTime now);
  void count(std::int64_t by);
  void set_any();
  Will fire(const Core& c);
  std::string load_wills();
  std::string find_lost();

  EmbeddedEngine& engine_;
  ports::LogStore& logs_;
  StringMap<Owner> connected_;
  /// What was said of connected sessions that left, until it is safe.
  struct Farewell {
    std::uint64_t epoch;
    bool no_will;
    std::optional<std::uint32_t> expiry;
    std::uint64_t write = 0;  ///< that has it; 0 = none, the store was away
  };
  static Farewell farewell(std::uint64_t epoch, const ports::SessionChange& c);
  bool take_leave(Core& c);
  StringMap<Farewell> farewells_;
  enum class Ends : std::uint8_t { without_will, with_will };
  StringMap<Ends> end_later_;  ///< clients whose sessions ended while the store was away
  struct Ending {
    std::string client_id;
    Ends how;
    std::uint64_t write;
  };
  std::vector<Ending> ending_;        ///< those that end with a write that is not safe yet
  std::vector<std::string> unfired_;  ///< keys of wills to be given again
  std::atomic<bool> any_{false};
  WallTime next_due_ = WallTime::min();  ///< nothing is due before
  WallTime seen_at_open_{};
  Millis behind_{0};         ///< how far the machine's clock is behind what the store has seen
  bool clock_read_ = false;  ///< since the store was opened
};

}  // namespace sb::store::embedded
