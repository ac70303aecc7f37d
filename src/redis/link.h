// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "redis/handshake.h"
#include "redis/options.h"
#include "redis/pipeline.h"

namespace sb::redis {

/// What a Link wants done.
class LinkHost {
 public:
  /// Make a connection; opened() or lost() answers, also at once.
  virtual void open() = 0;
  /// End it, if there is one, at once and without a word; nothing comes from it any more.
  virtual void close() = 0;
  /// From now on commands are taken.
  virtual void on_link_up() = 0;
  /// The connection, or an attempt, is over. All commands have had their outcomes; another attempt follows.
  virtual void on_link_down(error_code why, const std::string& detail) = 0;
  /// A command was refused; its handler is told behind this.
  virtual void on_link_refused(const Outcome& outcome) = 0;

 protected:
  ~LinkHost() = default;
};

/// The life of one connection, without I/O: attempts with growing pauses, handshake, commands with deadlines, and a
/// probe when nothing was heard for a while. A deadline that passes ends the connection, since every later reply
/// would be taken for an earlier one's, and what is under way is unknown then.
class Link final : Handler {
 public:
  enum class State : std::uint8_t {
    idle,        ///< not started, or stopped
    connecting,  ///< until opened()
    handshake,
    up,
    waiting,  ///< for the next attempt
  };

  /// `seed`: of the jitter.
  Link(std::shared_ptr<const Options> options, LinkHost& host, std::uint32_t seed);

  // --- from its user
  void start(MonoTime now);
  /// Ends it; what is under way is told. on_link_down() is not called.
  void stop();
  /// not_connected, pipeline_full, or it is taken. `timeout` 0 = that of the options.
  error_code command(MonoTime now, Args command, Handler& handler, std::uint64_t tag, Millis timeout = Millis(0));

  // --- from who drives it
  void opened(MonoTime now);
  void received(MonoTime now, Reply& reply);
  void lost(MonoTime now, error_code why, std::string detail = {});
  /// To be called at wake_at(), which may come later meanwhile.
  void tick(MonoTime now);
  MonoTime wake_at() const;

  Pipeline& pipeline() { return pipeline_; }
  State state() const { return state_; }

 private:
  static constexpr std::uint64_t kProbe = 1u << 20, kReload = kProbe + 1;  ///< tags; below are the handshake's steps

  void on_outcome(Outcome& outcome, std::uint64_t tag) override;
  void attempt(MonoTime now);
  void step_done(Outcome& outcome, std::size_t step);
  void load_scripts();
  Millis next_pause();

  std::shared_ptr<const Options> options_;
  LinkHost& host_;
  std::minstd_rand random_;
  Pipeline pipeline_;
  std::vector<HandshakeStep> steps_;
  State state_ = State::idle;
  unsigned attempts_ = 0;  ///< without a success that lasted
  unsigned reloads_ = 0;   ///< SCRIPT LOADs under way
  MonoTime now_{};         ///< of the call under way
  MonoTime deadline_{};    ///< of the attempt, or of the pause
  MonoTime up_since_{};
  MonoTime heard_{};  ///< the last reply
};

}  // namespace sb::redis
