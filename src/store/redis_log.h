// SPDX-License-Identifier: MIT
#pragma once
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hash_map.h"
#include "model/limits.h"
#include "model/topic.h"
#include "ports/log_store.h"
#include "redis/writer.h"
#include "store/redis_answers.h"
#include "store/redis_log_reader.h"
#include "store/redis_log_tail.h"

namespace sb::store {

class RedisLogs;

/// One log, as this node writes to it: its target in Redis. Joins, leaves and messages go there in the order in which
/// they were asked for. Made and ended by RedisLogs. Owner: the store thread.
class RedisLog final : public redis::Target {
 public:
  using Joined = ports::LogStore::Joined;
  using Position = model::Position;

  RedisLog(RedisLogs& logs, ports::LogId id, std::string filter, std::uint64_t first_number);
  ~RedisLog() override;

  // --- requests
  void join(std::string member, Answers::Ptr<Joined> slot);
  void leave(std::string member, Answers::Ptr<void> slot);
  void release(std::string_view member, Position low);
  /// `slot`: has one part more for each batch that has messages of it.
  void append(ports::LogStore::Append& a, const Answers::Ptr<void>& slot);
  /// Calls `f` when everything that was asked until now is answered.
  void behind(std::function<void()> f);

  const ports::LogId id;
  const std::string filter, state_key, members_key;
  const std::shared_ptr<LogRead> read;
  LogTail tail;
  std::uint64_t incarnation = 0;                    ///< 0: not listed yet
  bool announced = false;                           ///< the routers of this node have its id
  bool told = false;                                ///< and those of all nodes know that it is there
  bool telling = false;                             ///< they are being told
  bool gone = false;                                ///< it is no more; what it had under way has been answered
  std::uint64_t bytes = 0, messages = 0;            ///< when Redis last said
  std::uint64_t trim_messages = 0, trim_bytes = 0;  ///< from which on it is looked at whom it may forget
  MonoTime made_empty = kNever;                     ///< when it was made again without members; kNever: it was not
  std::uint64_t heard = 0;                          ///< messages of others since lower bounds were written
  MonoTime used{};                                  ///< by a reader or a member of this node, at the latest
  MonoTime looked_up{};                             ///< when the records of its lowest members were read
  bool trimming = false;
  std::vector<std::pair<Answers::Ptr<Joined>, Position>> joined;  ///< and wait until all nodes know
  bool reading = false;                                           ///< what the tail lacks is being read
  bool hole_noted = false;                                        ///< it will be

  /// Highest position that was seen of it.
  Position head() const { return head_; }
  void seen(Position p) { head_ = std::max(head_, p); }
  /// It is listed, and joins may go.
  void listed(std::uint64_t with_incarnation);
  /// Another node made it again, since Redis had lost it: members of this node are to be members of that one.
  void join_again(std::uint64_t with_incarnation);
  /// Members of this node become its members once more.
  void join_members();
  /// Since when its oldest request waits; kNever: nothing does.
  MonoTime waits_since() const { return unanswered_.empty() ? kNever : unanswered_.front(); }
  /// Members' lower bounds go to Redis, so that what lies below can be trimmed.
  void write_lows();
  /// The member's session is on this node, or comes; and has gone from it, once for each.
  void count(const std::string& member);
  void away(std::string_view member);
  /// Who went before `since` is another node's member, or nobody's: not kept.
  void forget_members(MonoTime since);
  /// It joined here, and its lower bounds are written from here.
  bool has_member(std::string_view member) const { return members_.contains(member); }
  /// What the record of a member says that another node has, or nobody: it needs nothing up to there; it is none.
  void raise(std::string member, Position low);
  void drop_member(std::string member);
  /// Nobody has joined what was made again.
  void end_if_empty();
  bool has_members() const { return !members_.empty(); }
  /// Who ended it cannot have known of its members here.
  bool wanted() const;
  /// Nothing is done any more; what waits is answered as for a log that is not there.
  void end();

 private:
  struct LogBatch;
  struct Members;
  struct Messages;

  std::unique_ptr<redis::Batch> next() override;
  void encode(const redis::Batch& b, Sending how, redis::Words& out) override;
  void encode(const Members& b, bool any, bool again, redis::Words& out);
  void encode(const Messages& b, bool any, redis::Words& out);
  Taken answered(redis::Batch& b, redis::Outcome& o) override;
  Taken answered(Members& b, const redis::Reply::View& v);
  Taken answered(Messages& b, const redis::Reply::View& v);
  void confirmed(redis::Batch& b) override;
  void confirmed(Members& b);
  void confirmed(Messages& b);
  void encode_last(redis::Words& out) override;
  std::optional<std::uint64_t> last(redis::Outcome& o) override;
  void lost(std::uint64_t has, std::uint64_t kept) override;
  void over(std::vector<std::unique_ptr<redis::Batch>> rest) override;

  Members& open_members();
  void settle(const Messages& b);
  void settled();
  void drop(LogBatch& b);
  AppendedRun run_of(const Messages& b) const;
  void notice(const Messages& b);

  RedisLogs& logs_;
  const std::uint64_t first_number_;
  // Lists, since most logs of most nodes have nothing to do.
  std::list<std::unique_ptr<LogBatch>> waiting_;  ///< to be sent
  std::list<LogBatch*> made_;                     ///< sent, and not confirmed
  std::list<MonoTime> unanswered_;                ///< when the batches of both were begun
  std::uint64_t asked_ = 0, done_ = 0;            ///< batches
  std::list<std::pair<std::uint64_t, std::function<void()>>> behind_;
  Position head_;

  struct Low {
    Position position;
    bool changed = false;
    std::uint32_t here = 0;  ///< times that it has joined, and not gone
  };
  StringMap<Low> members_;                            ///< that joined here
  std::list<std::pair<MonoTime, std::string>> went_;  ///< members, and when; some have come back
  bool make_again_ = false;
};

}  // namespace sb::store
