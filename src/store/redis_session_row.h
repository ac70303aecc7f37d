// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ports/session_store.h"
#include "redis/target.h"
#include "store/redis_session_image.h"

namespace sb::store {

/// A will that this node has to fire: field `f<number>` of the record.
struct FiredWill {
  std::string number;
  StoredWill will;
};

/// What a claim found and did.
struct ClaimAnswer {
  /// soon: another node has claimed it just now, and keeps it for a moment; nothing was done.
  enum class What : std::uint8_t { nothing, claimed, soon, refused } what = What::nothing;
  error_code why;  ///< refused
  bool present = false;
  std::uint64_t epoch = 0;
  model::SessionRecord record;  ///< of a durable one
  std::optional<FiredWill> will;
  std::string previous_node;  ///< had it connected
  std::uint64_t ended = 0;    ///< incarnation that ended, 0 = none
  std::vector<std::string> ended_filters;
};

/// What was due of a session.
struct TakeAnswer {
  bool failed = false;  ///< nothing is known, and nothing was taken
  bool gone = false;    ///< there is no record
  bool ended = false;
  std::vector<FiredWill> wills;
  std::uint64_t incarnation = 0;     ///< ended
  std::vector<std::string> filters;  ///< ended
  WallTime since{};                  ///< it was due
  std::uint64_t over = 0;            ///< epoch from which on nobody owns it: the node that did died connected to it
  std::optional<WallTime> again;     ///< when to look again
};

/// What is asked of one record, in its order.
struct SessionJob {
  virtual ~SessionJob() = default;
};
struct ClaimJob final : SessionJob {
  ports::SessionStore::Claim claim;
  std::uint64_t nonce = 0;
  bool create = false;              ///< its entry in the schedule is there
  std::uint64_t reconnections = 0;  ///< of the writer, when nobody else had to be asked
  std::function<void(ClaimJob&, ClaimAnswer&&)> done;
};
struct ChangeJob final : SessionJob {
  std::uint64_t epoch = 0;
  ports::SessionChange change;
  std::function<void(result<void>)> done;
};
struct EndJob final : SessionJob {
  std::uint64_t epoch = 0;
  /// What the session was: its incarnation, 0 = it was none, and its filters.
  std::function<void(result<void>, std::uint64_t incarnation, std::vector<std::string> filters)> done;
};
struct TakeJob final : SessionJob {
  WallTime now;
  std::uint64_t nonce = 0;
  std::function<void(TakeAnswer&&)> done;
};
struct FiredJob final : SessionJob {
  std::string number;
};
/// Outbound packet ids that end, whoever owns the record.
struct TakenJob final : SessionJob {
  std::vector<std::uint16_t> packet_ids;
  std::function<void()> done;
};
struct ReadJob final : SessionJob {
  std::uint16_t packet_id = 0;
  std::function<void(result<ports::SessionStore::Outbound>)> done;
};

/// A session that this node owns.
struct OwnedSession {
  std::uint64_t epoch = 0, nonce = 0;
  std::uint64_t number = 0;  ///< of the last batch that its record has
  SessionImage image;
};

class SessionRow;
/// A client id that this node has something of.
struct StoredSession {
  explicit StoredSession(std::string_view id) : client_id(id) {}
  ~StoredSession();
  const std::string client_id;
  std::uint32_t checked = 0;  ///< round in which its record was compared last
  std::unique_ptr<OwnedSession> owned;
  std::unique_ptr<SessionRow> row;  ///< while something is under way, or kept for repairs
};

/// What rows need of the store that they are in.
class SessionRows {
 public:
  virtual std::string_view node() const = 0;
  virtual std::uint64_t node_epoch() const = 0;
  /// How long another node that has claimed a session keeps it at least.
  virtual Millis turn() const = 0;
  /// Counts how often the node was buried: what was asked in an earlier life of it is not written any more.
  virtual std::uint64_t life() const = 0;
  /// Remembers that this owner ("epoch node") is met.
  virtual void met(std::string_view owner) = 0;
  /// Adds pairs of the owners that are met, and when they died.
  virtual void add_known(redis::Words& out) = 0;
  /// Asks for an entry in the schedule; errc::quota when there is no room for one more session.
  virtual error_code may_create(const StoredSession& s, WallTime now, std::function<void()> done) = 0;
  /// A command that reads the record; `done` once.
  virtual void read(const std::string& key, std::vector<std::string> words,
                    std::function<void(redis::Outcome&)> done) = 0;
  /// Another node owns the session now, and this one has learned it without being asked to write.
  virtual void lost(const StoredSession& s, std::uint64_t epoch) = 0;
  /// Redis had forgotten this node's claim, and meanwhile given the session to `node`, which has it no more.
  virtual void displaced(const StoredSession& s, std::string_view node, std::uint64_t epoch) = 0;
  virtual void rewritten(const StoredSession& s) = 0;
  /// The row has nothing to do: it may be deleted within this call when `now`, else a little later.
  virtual void unused(StoredSession& s, bool now) = 0;

 protected:
  ~SessionRows() = default;
};

/// The writes to one record: what the sessions' owner changes goes in one batch per flush. A batch holds its bytes only
/// until Redis has answered: what Redis has forgotten then, it is given as a whole record, from the image. That is
/// never written over a newer owner. Exists while something is under way, and half a minute longer.
class SessionRow final : public redis::Target {
 public:
  SessionRow(redis::Writer& writer, SessionRows& rows, StoredSession& session, std::string key);
  ~SessionRow() override;
  void give(std::unique_ptr<SessionJob> job);
  /// Compares what Redis has with what it should have, and puts it right.
  void check();
  bool unused() const { return idle() && jobs_.empty() && !busy_; }
  /// The last thing that waits to be asked ends the session, if there is one, and leaves none.
  bool will_end() const;
  /// Redis has all that was asked for.
  bool settled() const { return open_.empty() && jobs_.empty() && !busy_ && !in_doubt(); }
  /// The node was buried. What nobody was told of goes to `unanswered`; nothing of it is written, or written again.
  void end_life(std::vector<std::unique_ptr<SessionJob>>& unanswered);

 private:
  /// What the last command of a batch was.
  enum class Sent : std::uint8_t { itself, whole, mark, nothing };
  struct Piece;
  std::unique_ptr<redis::Batch> next() override;
  void encode(const redis::Batch& b, Sending how, redis::Words& out) override;
  Taken answered(redis::Batch& b, redis::Outcome& o) override;
  void confirmed(redis::Batch& b) override;
  void encode_last(redis::Words& out) override;
  std::optional<std::uint64_t> last(redis::Outcome& o) override;
  void on_idle() override;

  template <class J>
  std::unique_ptr<J> take_front();
  std::unique_ptr<Piece> next_changes();
  std::unique_ptr<Piece> next_end();
  void encode_claim(const Piece& p, redis::Words& out);
  void encode_change(const Piece& p, redis::Words& out) const;
  void encode_whole(redis::Words& out);
  void encode_take(const Piece& p, redis::Words& out) const;
  void add_known(redis::Words& out) const;
  Taken whole_answered(redis::Reply::View r);
  Taken change_answered(Piece& p, redis::Reply::View r);
  Taken claim_answered(Piece& p, redis::Reply::View r);
  Taken take_answered(Piece& p, redis::Reply::View r);
  Taken mark_answered(Piece& p, redis::Reply::View r);
  bool again_with_owners(Piece& p, redis::Reply::View r);
  void put_back(Piece& p);
  void begin_create(const ClaimJob& job);
  void load(std::uint64_t epoch);
  void loaded(std::uint64_t epoch, redis::Outcome& o);
  void read(const ReadJob& job);
  void refuse_front(error_code why);
  void lose();
  void unclaim();
  std::uint64_t before_repeats();
  std::string mark(std::uint64_t nonce) const;

  SessionRows& rows_;
  StoredSession& session_;
  std::list<std::unique_ptr<SessionJob>> jobs_;
  std::list<Piece*> open_;              ///< not confirmed
  std::vector<std::uint64_t> repeats_;  ///< numbers of those that are no part of the record, and may still be kept
  bool busy_ = false;                   ///< the first job waits for something that is no write to the record
  bool rewrite_ = false;                ///< the next command is the whole record
  std::uint64_t covered_ = 0;           ///< batches up to this number are in it
  Sent sent_ = Sent::itself;
  std::shared_ptr<SessionRow*> self_;
};

/// Reads `HGETALL` into an image. False: corrupt. Fields of the scripts go to the others.
struct RecordHead {
  std::uint64_t epoch = 0, number = 0;
  std::string owner;  ///< "node-epoch nonce node"
  bool alive = false;
};
bool read_record(redis::Reply::View flat, RecordHead& head, SessionImage& image);

}  // namespace sb::store
