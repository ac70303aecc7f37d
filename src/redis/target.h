// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "redis/command.h"
#include "redis/outcome.h"

namespace sb::redis {

class Writer;
class WriterPipe;

/// The words of a command while it is put together; views must live until it was encoded, or are kept here.
class Words {
 public:
  Words& add(std::string_view word) {
    words_.push_back(word);
    return *this;
  }
  Words& number(std::uint64_t n) { return keep(std::to_string(n)); }
  Words& keep(std::string word) {
    kept_.push_back(std::move(word));
    return add(kept_.back());
  }
  void clear() {
    words_.clear();
    kept_.clear();
  }
  bool empty() const { return words_.empty(); }
  Args args() const { return Args(std::span<const std::string_view>(words_)); }

 private:
  std::vector<std::string_view> words_;
  std::list<std::string> kept_;
};

/// What a target is sent in one piece. It is bound to its number when it is first sent, and never merged, split or
/// renumbered after that. Derived classes hold the contents, and who is to be told.
struct Batch {
  virtual ~Batch() = default;
  std::uint64_t number = 0;  ///< counts the batches of the target, from Target::first_number() on; 0 = not sent yet
  std::size_t bytes = 0;     ///< that it keeps in the redo ring; may shrink in Target::confirmed()
  bool concern = true;       ///< false: that Redis has taken it is enough, and it is not kept for repairs (QoS 0)

 private:
  friend class Target;
  friend class Writer;
  friend class WriterPipe;
  enum class State : std::uint8_t { waiting, sent, accepted, confirmed };
  State state = State::waiting;
  bool answered = false;    ///< Redis has said what became of it, at least once
  std::size_t counted = 0;  ///< bytes of it in Writer::Stats::kept_bytes
  MonoTime made{};          ///< number given
  MonoTime confirmed_at{};
};

/// A row of writes that Redis has to take in this order and each once: a stream, a log, a record. PROTOCOLS 1. One
/// batch is under way at a time; what comes meanwhile gathers, and is made into the next batch when that can be sent.
/// Derived classes say how a batch becomes a command, and how Redis is asked what it has. Owner: the loop's thread.
class Target {
 public:
  /// `key`: any key of the target; decides who is its primary.
  Target(Writer& writer, std::string key);
  /// Forgets what is under way and kept.
  virtual ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  struct Sending {
    bool again = false;  ///< it was sent before
    bool gap = false;    ///< batches before it are missing for good: a script must not insist on the number before it
  };
  enum class Taken : std::uint8_t {
    yes,     ///< Redis has it
    repair,  ///< ask what Redis has
    over,    ///< the target is no more: as stop(); over() follows
  };

  const std::string& key() const { return key_; }
  std::uint16_t slot() const { return slot_; }
  /// Nothing is under way, and nothing kept for a repair.
  bool idle() const { return batches_.empty() && !queued_ && !wants_; }
  /// Number of the batch that was made last.
  std::uint64_t last_number() const { return next_number_ - 1; }

 protected:
  Writer& writer() { return writer_; }
  /// There is something to send: next() will be called, at the end of this turn or when it can be sent.
  void ready();
  /// Its writes are small and others wait for them (a lease, the end of a session): they have room when the redo ring
  /// is full.
  void set_essential() { essential_ = true; }
  /// Number of the last batch that was kept and is no more.
  std::uint64_t dropped() const { return dropped_; }
  /// Redis need not have the batches up to this number any more (whoever reads them there has them): the confirmed ones
  /// of them are not kept for a repair, and are not lost() when Redis forgets them.
  void unneeded_up_to(std::uint64_t number);
  /// Before the first batch: the number that it gets.
  void set_first_number(std::uint64_t n) { next_number_ = n; }
  /// Redis may not have what it should have: it is asked, and gets what it lacks. (Not counted in Writer::repairing.)
  void repair();
  /// Redis is yet to be asked what it has.
  bool in_doubt() const { return doubt_; }
  /// Nothing of this target is sent, asked or kept any more; what is under way has no outcome. Call it rather than
  /// deleting the target when others may still give it work.
  void stop();

 private:
  friend class Writer;
  friend class WriterPipe;

  /// What gathered, as one batch with its `bytes`; null: nothing.
  virtual std::unique_ptr<Batch> next() = 0;
  /// The command.
  virtual void encode(const Batch& b, Sending how, Words& out) = 0;

  /// Redis has answered: `outcome` is done, or refused. Called again when the batch was repeated. What a target does
  /// not know as its own, it answers with repair, as this does for all that is refused.
  virtual Taken answered(Batch&, Outcome& outcome) { return outcome.done() ? Taken::yes : Taken::repair; }
  /// At the write concern. Once per batch, in their order. What the batch holds only for the answer may go now.
  virtual void confirmed(Batch& b) = 0;

  /// The command that asks for the number of the last batch that Redis has of this target from this writer. Nothing:
  /// everything that is kept is to be sent again in its order.
  virtual void encode_last(Words& out) = 0;
  /// The number, 0 = none; nothing: ask again in a moment. `outcome` is done, or refused.
  virtual std::optional<std::uint64_t> last(Outcome& outcome);
  /// Redis lacks batches that it needs, and that are not kept any more: those behind `has` and before `kept`.
  virtual void lost(std::uint64_t /*has*/, std::uint64_t /*kept*/) {}
  /// Behind Taken::over: what was made, and not confirmed. Everything that is waiting has to be told here as well.
  virtual void over(std::vector<std::unique_ptr<Batch>>) {}
  /// The last batch was forgotten: the target may be deleted, also within this call.
  virtual void on_idle() {}

  void doubt();
  void drop_first();
  void set_repairing(bool repairing);
  void see_whether_repaired();
  /// Redis has what is numbered up to `has`; the rest goes again.
  void resume(std::uint64_t has);
  Batch* to_send();

  Writer& writer_;
  const std::string key_;
  const std::uint16_t slot_;
  std::deque<std::unique_ptr<Batch>> batches_;  ///< kept, under way, or to be sent again: in their order
  std::uint64_t next_number_ = 1;
  std::uint64_t dropped_ = 0;   ///< number of the last batch that was kept and is no more
  std::uint64_t unneeded_ = 0;  ///< number up to which Redis may lack what it likes
  WriterPipe* pipe_ = nullptr;  ///< to which its latest command went
  std::size_t at_ = 0;          ///< of batches_: the first one that Redis is not known to have
  std::size_t aging_ = 0;       ///< entries of it in Writer::aging_
  bool doubt_ = false;          ///< Redis has to be asked what it has
  bool wants_ = false;          ///< next() may have something
  bool queued_ = false;         ///< it waits for its turn in the writer or a pipe
  bool under_way_ = false;      ///< a command of it is
  bool essential_ = false;
  bool gap_ = false;
  bool stopped_ = false;
  bool repairing_ = false;       ///< it is in doubt, or has been, and what was made up to then is not all there again
  std::uint64_t repair_to_ = 0;  ///< number of the last of that
};

/// Commands that may be repeated in their order whenever Redis may have forgotten them: members of sets, fields of
/// hashes. One that Redis refuses is repeated as well, so it must be right.
class Repeatable final : public Target {
 public:
  using Done = std::function<void()>;
  Repeatable(Writer& writer, std::string key);
  ~Repeatable() override;
  /// `done`, may be null: at the write concern.
  void send(std::vector<std::string> words, Done done);
  using Target::set_essential;

 private:
  struct Command;
  std::unique_ptr<Batch> next() override;
  void encode(const Batch& b, Sending how, Words& out) override;
  void confirmed(Batch& b) override;
  void encode_last(Words&) override {}
  std::deque<std::unique_ptr<Command>> waiting_;
};

}  // namespace sb::redis
