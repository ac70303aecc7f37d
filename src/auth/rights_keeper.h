// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "auth/live_rights.h"
#include "base/log.h"
#include "base/time.h"
#include "mqtt/reason.h"

namespace sb::auth {

/// Where rights are asked for: a back end outside this process. Threads: any; must not block.
class RightsSource {
 public:
  struct Answer {
    /// success: `rules` are set. server_unavailable, server_busy: there is no answer. Others: refused for good.
    mqtt::Reason reason = mqtt::Reason::server_unavailable;
    DocumentRights::Ptr rules;
    Seconds ttl{0};  ///< how long they are good, 0 = as long as usual
  };
  using Done = std::function<void(Answer)>;
  virtual ~RightsSource() = default;
  /// Calls `done` exactly once: before it returns, or later on any thread.
  virtual void ask(const ports::Subject& who, Done done) = 0;
};

/// Rights of clients that are connected, which a source gave for a time: asked for again from half of that on, and
/// again and again when there is no answer. At the end of the time nothing is allowed any more until there is one.
/// What the source refuses is allowed no more, either. Rights that no session holds any more are forgotten.
///
/// Threads: any. The source's answers must have ended before the keeper does.
class RightsKeeper {
 public:
  struct Options {
    Seconds ttl{300};
    Seconds retry{5};             ///< between two questions without answer
    std::size_t questions = 100;  ///< to the source at once, for rights that are to be renewed
  };
  /// success: `rights` are set, and change as the source says.
  using Done = std::function<void(mqtt::Reason, ports::RightsPtr rights)>;

  RightsKeeper(const Clock& clock, Options options) : clock_(clock), options_(options) {}
  RightsKeeper(const RightsKeeper&) = delete;
  RightsKeeper& operator=(const RightsKeeper&) = delete;

  /// From now on these; what is under way ends with those from before.
  void set(std::shared_ptr<RightsSource> source, Options options);
  /// Whether rights come from here at all.
  bool on() const;

  /// Asks for the rights of a client that comes in. Without an answer it gets none.
  void open(const ports::Subject& who, Done done);
  /// Asks for the rights of a client that is away: those of now, which are not renewed. Nothing without an answer.
  void ask(const ports::Subject& who, std::function<void(ports::RightsPtr)> done);
  /// To be called about once a second.
  void tick();

  /// What was replaced, when any rights are others than at the last call, else null. The caller has every shard run
  /// Core::rights_changed(), and keeps this until all have.
  std::shared_ptr<const void> take_changes();

  /// Clients whose rights are kept, of which some may have left a short while ago.
  std::size_t size() const;

 private:
  using Id = std::uint64_t;
  struct Entry {
    LiveRights::Ptr rights;
    std::string client_id, username;
    MonoTime good_until, ask_at;
    bool asking = false, ended = false;
    MonoTime due = kNever;  ///< its place in due_
  };
  struct Question {
    Id id;
    std::string client_id, username;
  };

  bool take_question(MonoTime now, Question& q, std::shared_ptr<RightsSource>& source);
  void answered(Id id, RightsSource::Answer a);
  ports::RightsPtr keep(const std::string& client_id, const std::string& username, DocumentRights::Ptr rules,
                        Seconds ttl);
  void replace(Entry& e, DocumentRights::Ptr rules);
  void end(Entry& e);
  void set_due(Id id, Entry& e);
  void forget(Id id, Entry& e);
  void sweep();
  void good_for(Entry& e, Seconds ttl, MonoTime now) const;

  const Clock& clock_;
  mutable std::mutex mutex_;  ///< for what follows
  Options options_;
  std::shared_ptr<RightsSource> source_;
  std::unordered_map<Id, Entry> entries_;
  std::set<std::pair<MonoTime, Id>> due_;
  Id next_id_ = 0;
  std::size_t questions_ = 0;  ///< under way, for rights that are to be renewed
  std::size_t sweep_at_ = 1024;
  std::vector<DocumentRights::Ptr> replaced_;
  log::RateLimit ended_log_;
};

}  // namespace sb::auth
