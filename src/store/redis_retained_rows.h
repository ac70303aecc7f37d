// SPDX-License-Identifier: MIT
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/message.h"
#include "redis/script.h"
#include "redis/target.h"

namespace sb::store {

/// The writes to the retained message of one topic: `sb:{r:TOPIC}`, a hash
///
///     v  the message, as in the embedded store, with its topic; nothing = it was cleared, a tombstone for a minute
///     n  version: grows with every message of the topic, whoever sets it
///     w  writer, q  its number: the same one again changes nothing
///
/// with the message's expiry as its own. Only the last message that waits is written. What Redis has forgotten is
/// written again with the version that it had been given, so that the newest stays, whoever of several nodes is first.
class RetainedRow final : public redis::Target {
 public:
  using Done = std::function<void(result<void>)>;
  /// Of all rows of a process: its name as a writer, and how many messages it has written.
  struct Source {
    std::string name;
    std::uint64_t count = 0;
  };
  class Owner {
   public:
    /// Nothing is kept any more; the row may be deleted within the call.
    virtual void idle(const std::string& topic) = 0;
    /// Redis had forgotten a message of the topic and has it again: whoever looked meanwhile saw an older one, or none.
    /// `m`: the last one that was set here.
    virtual void came_again(const std::string& topic, const model::MessageView& m) = 0;

   protected:
    ~Owner() = default;
  };
  RetainedRow(redis::Writer& writer, std::string topic, std::string key, Source& source, Owner& owner);
  /// Nothing new is written until release().
  void hold() { ++held_; }
  void release() {
    if (--held_ == 0 && changed_) ready();
  }
  /// One without payload clears the topic.
  void set(model::MessagePtr m, Done done);
  /// The last one that was set; null when another node has set one since.
  model::MessagePtr latest() const { return outdated_ && !changed_ ? nullptr : latest_; }
  void set_outdated() { outdated_ = true; }
  static std::shared_ptr<const redis::Script> script();

 private:
  struct Piece;
  std::unique_ptr<redis::Batch> next() override;
  void encode(const redis::Batch& b, Sending how, redis::Words& out) override;
  Taken answered(redis::Batch& b, redis::Outcome& o) override;
  void confirmed(redis::Batch& b) override;
  void encode_last(redis::Words&) override {}
  void on_idle() override;

  const std::string topic_;
  Source& source_;
  Owner& owner_;
  model::MessagePtr latest_;
  bool outdated_ = false;
  std::size_t held_ = 0;
  bool changed_ = false;  ///< latest_ is not in a batch yet
  bool again_ = false;    ///< what is under way was sent before
  std::vector<Done> waiting_;
};

/// The topics of one shard that have a retained message: `sb:{rt:NN}`, a hash of topic → what RetainedEntry says. An
/// entry is written before its message. One without a message costs a look.
class RetainedTopicsRow final : public redis::Target {
 public:
  using Done = std::function<void()>;
  using Target::Target;
  /// `done` may be null.
  void put(std::string topic, std::string entry, Done done);
  /// If the entry still ends with this stamp.
  void remove(std::string topic, std::string stamp);
  static std::shared_ptr<const redis::Script> script();

 private:
  struct Change {
    bool put;
    std::string topic, entry;
    Done done;
  };
  struct Piece;
  std::unique_ptr<redis::Batch> next() override;
  void encode(const redis::Batch& b, Sending how, redis::Words& out) override;
  void confirmed(redis::Batch& b) override;
  void encode_last(redis::Words&) override {}
  std::deque<Change> waiting_;
};

}  // namespace sb::store
