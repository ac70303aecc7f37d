// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "channel/channel.h"
#include "ports/log_store.h"

namespace sb::broker {

/// What one shard knows of the logs that its sessions read: the tail cache of each, fed by notices, and pages read back
/// for sessions that lag. Sessions read only through it, so that live and catch-up are the same path at different
/// distances, and many sessions at the same place cost one read. Owner: one shard.
class LogFeeds final : public ports::LogWatcher {
 public:
  using Log = ports::LogId;
  /// Told that readers of a log may go on.
  class Listener {
   public:
    virtual void feed_ready(Log log, const std::vector<channel::Channel*>& readers) = 0;

   protected:
    ~Listener() = default;
  };

  /// `tail_bytes`: kept of one log; `all_bytes`: of all of them.
  LogFeeds(ports::LogStore& store, Listener& listener, std::size_t tail_bytes, std::size_t all_bytes = SIZE_MAX)
      : store_(store), listener_(listener), tail_bytes_(tail_bytes), all_bytes_(all_bytes) {}

  void add_reader(Log log, channel::Channel* c);
  void remove_reader(Log log, channel::Channel* c);

  struct Next {
    const ports::StoredMessage* message = nullptr;  ///< null: none yet; feed_ready tells when to ask again
    std::uint64_t lost = 0;                         ///< messages in between that are gone
    model::Position skip_to;                        ///< when nothing is left: stand here
    bool skip = false;
  };
  /// The message behind `after`. Valid until the feed changes (next turn).
  Next next(Log log, model::Position after);
  /// Its head is known.
  bool attached(Log log) const {
    auto it = feeds_.find(log);
    return it != feeds_.end() && it->second->attached;
  }
  /// Last position of the log that is known here.
  model::Position head(Log log) const;

  void on_appended(Log log, model::Position previous, const ports::StoredMessage& m) override;
  /// Lets the readers of all logs that grew go on. Once per turn.
  void deliver();
  /// Bytes of messages that are kept.
  std::size_t kept() const { return kept_; }
  /// Asks again for what a store could not read, or has forgotten. Now and then.
  void retry();

 private:
  static constexpr std::size_t kPage = 256;  ///< messages of one read
  static constexpr std::size_t kPages = 8;   ///< pages kept per log
  struct Page {
    model::Position after;
    ports::LogPage content;
    std::size_t bytes = 0;
    bool ready = false;
  };
  struct Feed {
    bool attached = false;
    bool grown = false;
    model::Position before;  ///< what the tail begins behind
    model::Position head;
    bool keeps = false;  ///< it is among keeping_
    std::deque<ports::StoredMessage> tail;
    std::size_t tail_bytes = 0;
    std::size_t bytes = 0;  ///< of the tail and of ready pages
    std::deque<Page> pages;
    absl::flat_hash_set<channel::Channel*> readers;
  };
  void keep(Log log, Feed& f, std::size_t bytes);
  void drop(Feed& f, std::size_t bytes) {
    f.bytes -= bytes;
    kept_ -= bytes;
  }
  void drop_tail(Feed& f);
  void drop_page(Feed& f);
  void forget();
  static std::uint64_t lost_behind(const Page& page, model::Position after);
  void make_room(Feed& f, const Page& newest);
  void attach(Log log);
  void ask(Log log, Feed& f, model::Position after);
  void ready(Log log);

  ports::LogStore& store_;
  Listener& listener_;
  const std::size_t tail_bytes_, all_bytes_;
  std::size_t kept_ = 0;
  std::deque<Log> keeping_;  ///< that keep something, or did; in the order in which they began
  absl::flat_hash_map<Log, std::unique_ptr<Feed>> feeds_;
  std::vector<Log> grown_, failed_;
};

}  // namespace sb::broker
