// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/message.h"
#include "model/session_record.h"

namespace sb::ports {

/// Names a log within this process; a log that was deleted and made again has a new one. 0 = none.
using LogId = std::uint64_t;

/// The member of a log that reads for a shared group. Where there is one it alone says what of the log is needed, and
/// it does not keep the log: that lives as long as other members hold it.
inline constexpr std::string_view kGroupMember{"\0group", 6};

/// Positions that a message had before a store forgot them, and was given it again.
using KnownPositions = std::shared_ptr<const std::vector<model::Position>>;

struct StoredMessage {
  model::Position position;
  model::MessagePtr message;
  /// Null: none. A reader that has passed one of them in its generation has had the message.
  KnownPositions known = nullptr;
};

/// A page of a log.
struct LogPage {
  std::vector<StoredMessage> messages;  ///< in order, all behind the position asked for
  std::uint64_t lost = 0;  ///< messages between the position asked for and the first one left: trimmed by a bound
  model::Position head;    ///< last position of the log; the page reaches it when messages.back() stands there
  bool forgetful = false;  ///< the store may have forgotten what should be in it, and get it again
};

/// Told of what was appended to the logs that it attached to, in the order of positions.
class LogWatcher {
 public:
  virtual void on_appended(LogId log, model::Position previous, const StoredMessage& m) = 0;

 protected:
  ~LogWatcher() = default;
};

/// Stored messages: one log per distinct filter that a durable session subscribes to with QoS > 0. A log lives as long
/// as it has members; a member is one incarnation of a session. Answers come once, on the thread that asked, at once or
/// later, in the order of the requests. A log that is gone answers as empty and takes appends without storing them:
/// nobody reads it.
///
/// What one shard asks of its stores within one turn of its loop is stored as a whole or, after a crash, not at all.
class LogStore {
 public:
  struct Joined {
    LogId log = 0;
    model::Position head;
  };
  template <class T>
  using Done = std::function<void(result<T>)>;

  virtual ~LogStore() = default;
  /// Makes the log if there is none and the member one of its readers from `head` on. A repeat changes nothing and
  /// answers with the present head. Before the answer every router of this node sees the log. A group (kGroupMember)
  /// makes no log, since it would be nobody's (errc::no_log), and needs all that its log holds.
  virtual void join(std::string_view filter, std::string_view member, Done<Joined> done) = 0;
  /// The member reads no more; the last one takes the log with it. Where other nodes write to the store as well, only
  /// behind the record that says so: another one may have the session already, and reads on.
  virtual void leave(std::string_view filter, std::string_view member) = 0;
  /// The session that asked to join is not here any more, and its record may not know of that: once for each join().
  /// Where no other node can have it, that is leave().
  virtual void abandon(std::string_view filter, std::string_view member) { leave(filter, member); }
  /// The member's session is not connected here any more, or had joined already: once for each join().
  virtual void away(std::string_view, std::string_view) {}
  /// What lies at or before `low` is not needed by the member any more.
  virtual void release(std::string_view filter, std::string_view member, model::Position low) = 0;

  /// Who numbers its messages so that a repeat is known (QoS 2): a store that other nodes write to as well skips a
  /// message when the log has its number, or a higher one, from that writer.
  struct Origin {
    std::shared_ptr<const std::string> writer;  ///< null: nobody
    std::uint64_t number = 0;
  };
  struct Append {
    LogId log;
    model::MessagePtr message;
    Origin origin = {};
  };
  /// Stores the messages in order; the answer means: safe, at the write concern.
  virtual void append(std::vector<Append> batch, Done<void> done) = 0;
  /// Up to `max` messages behind `after`.
  virtual void read(LogId log, model::Position after, std::size_t max, Done<LogPage> done) = 0;

  /// From the answer on, the watcher hears of every message behind the head that was answered, until detach.
  virtual void attach(LogId log, LogWatcher* w, Done<model::Position> done) = 0;
  virtual void detach(LogId log, LogWatcher* w) = 0;
};

}  // namespace sb::ports
