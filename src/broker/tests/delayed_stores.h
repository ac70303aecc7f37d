// SPDX-License-Identifier: MIT
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ports/errc.h"
#include "ports/log_store.h"
#include "ports/retained_store.h"
#include "ports/session_store.h"

namespace sb::broker::testing {

/// The store thread of a test: requests of all shards wait in one queue, answers and notices in one queue per shard,
/// and the test says when which one moves on. Orders are those of store::ShardStores.
class Delay {
 public:
  explicit Delay(std::size_t shards) : answers_(shards) {}
  void request(std::function<void()> f) { requests_.push_back(std::move(f)); }
  void answer(std::size_t shard, std::function<void()> f) { answers_[shard].push_back(std::move(f)); }

  /// The store works off one request. False when there is none.
  bool work() {
    working_ = ++worked_;
    const bool any = run(requests_);
    working_ = 0;
    return any;
  }
  /// Number of the request that is being worked off, 0 = none.
  std::size_t working() const { return working_; }
  /// One answer reaches its shard.
  bool arrive(std::size_t shard) { return run(answers_[shard]); }
  /// A store that is away refuses what it works off, and has it or not when it is back.
  enum class Away { no, without, with };
  Away away = Away::no;
  std::function<Away(const ports::SessionChange&)> away_for;  ///< for some changes of sessions only

  std::size_t requests() const { return requests_.size(); }
  std::size_t answers(std::size_t shard) const { return answers_[shard].size(); }

 private:
  static bool run(std::deque<std::function<void()>>& from) {
    if (from.empty()) return false;
    auto f = std::move(from.front());
    from.pop_front();
    f();
    return true;
  }
  std::size_t worked_ = 0, working_ = 0;
  std::deque<std::function<void()>> requests_;
  std::vector<std::deque<std::function<void()>>> answers_;
};

/// What the three wrappers below have in common.
struct Delayed {
  Delay& delay;
  std::size_t shard;

  template <class T, class Request>
  void call(std::function<void(result<T>)> done, Request request) {
    delay.request([this, done = std::move(done), request = std::move(request)]() mutable {
      auto answer = [this, done = std::move(done)](result<T> given) mutable {
        delay.answer(shard, [done = std::move(done), given = std::move(given)]() mutable { done(std::move(given)); });
      };
      if (delay.away == Delay::Away::no) return request(std::move(answer));
      if (delay.away == Delay::Away::with) request([](auto&&) {});
      answer(make_error_code(ports::errc::unavailable));
    });
  }
};

class DelayedLogs final : public ports::LogStore, private ports::LogWatcher {
 public:
  DelayedLogs(ports::LogStore& to, Delay& delay, std::size_t shard) : to_(to), d_{delay, shard} {}
  void join(std::string_view filter, std::string_view member, Done<Joined> done) override {
    d_.call<Joined>(std::move(done), [this, f = std::string(filter), m = std::string(member)](Done<Joined> d) {
      to_.join(f, m, std::move(d));
    });
  }
  void leave(std::string_view filter, std::string_view member) override {
    d_.delay.request([this, f = std::string(filter), m = std::string(member)] { to_.leave(f, m); });
  }
  void abandon(std::string_view filter, std::string_view member) override {
    d_.delay.request([this, f = std::string(filter), m = std::string(member)] { to_.abandon(f, m); });
  }
  void away(std::string_view filter, std::string_view member) override {
    d_.delay.request([this, f = std::string(filter), m = std::string(member)] { to_.away(f, m); });
  }
  void release(std::string_view filter, std::string_view member, model::Position low) override {
    d_.delay.request([this, f = std::string(filter), m = std::string(member), low] { to_.release(f, m, low); });
  }
  void append(std::vector<Append> batch, Done<void> done) override {
    d_.call<void>(std::move(done), [this, batch = std::move(batch)](Done<void> d) mutable {
      to_.append(std::move(batch), std::move(d));
    });
  }
  void read(ports::LogId log, model::Position after, std::size_t max, Done<ports::LogPage> done) override {
    ++reads;
    d_.call<ports::LogPage>(std::move(done), [this, log, after, max](Done<ports::LogPage> d) {
      if (!forgot) return to_.read(log, after, max, std::move(d));
      d(ports::LogPage{{}, 0, after, true});
    });
  }
  void attach(ports::LogId log, ports::LogWatcher* w, Done<model::Position> done) override {
    watcher_ = w;
    d_.call<model::Position>(std::move(done),
                             [this, log](Done<model::Position> d) { to_.attach(log, this, std::move(d)); });
  }
  void detach(ports::LogId log, ports::LogWatcher*) override {
    d_.delay.request([this, log] { to_.detach(log, this); });
  }
  std::size_t reads = 0;
  bool forgot = false;  ///< the store has lost everything

 private:
  void on_appended(ports::LogId log, model::Position previous, const ports::StoredMessage& m) override {
    // What one request appended, to however many logs, arrives in one piece.
    if (!notices_ || noticed_ != d_.delay.working() || noticed_ == 0) {
      notices_ = std::make_shared<std::vector<std::function<void()>>>();
      noticed_ = d_.delay.working();
      d_.delay.answer(d_.shard, [all = notices_] {
        for (auto& one : *all) one();
      });
    }
    notices_->push_back([this, log, previous, m] { watcher_->on_appended(log, previous, m); });
  }
  ports::LogStore& to_;
  Delayed d_;
  ports::LogWatcher* watcher_ = nullptr;
  std::shared_ptr<std::vector<std::function<void()>>> notices_;  ///< of the request that is worked off
  std::size_t noticed_ = 0;
};

class DelayedSessions final : public ports::SessionStore {
 public:
  DelayedSessions(ports::SessionStore& to, Delay& delay, std::size_t shard) : to_(to), d_{delay, shard} {}
  bool any() const override { return to_.any(); }
  void claim(Claim c, Done<Claimed> done) override {
    d_.call<Claimed>(std::move(done),
                     [this, c = std::move(c)](Done<Claimed> d) mutable { to_.claim(std::move(c), std::move(d)); });
  }
  void change(std::string_view client_id, std::uint64_t epoch, ports::SessionChange c, Done<void> done) override {
    const auto away = d_.delay.away_for ? d_.delay.away_for(c) : Delay::Away::no;
    d_.call<void>(std::move(done),
                  [this, away, id = std::string(client_id), epoch, c = std::move(c)](Done<void> d) mutable {
                    if (away == Delay::Away::no) return to_.change(id, epoch, std::move(c), std::move(d));
                    if (away == Delay::Away::with) to_.change(id, epoch, std::move(c), [](auto&&) {});
                    d(make_error_code(ports::errc::unavailable));
                  });
  }
  void end(std::string_view client_id, std::uint64_t epoch, Done<void> done) override {
    d_.call<void>(std::move(done),
                  [this, id = std::string(client_id), epoch](Done<void> d) { to_.end(id, epoch, std::move(d)); });
  }
  void take_due(WallTime now, Done<std::vector<Due>> done) override {
    d_.call<std::vector<Due>>(std::move(done),
                              [this, now](Done<std::vector<Due>> d) { to_.take_due(now, std::move(d)); });
  }
  void outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) override {
    d_.call<Outbound>(std::move(done), [this, id = std::string(client_id), packet_id](Done<Outbound> d) {
      to_.outbound(id, packet_id, std::move(d));
    });
  }
  void fired(std::uint64_t will) override {
    d_.delay.request([this, will] { to_.fired(will); });
  }

 private:
  ports::SessionStore& to_;
  Delayed d_;
};

class DelayedRetained final : public ports::RetainedStore {
 public:
  DelayedRetained(ports::RetainedStore& to, Delay& delay, std::size_t shard) : to_(to), d_{delay, shard} {}
  void set(model::MessagePtr m, Done<void> done) override {
    d_.call<void>(std::move(done),
                  [this, m = std::move(m)](Done<void> d) mutable { to_.set(std::move(m), std::move(d)); });
  }
  void match(std::string_view filter, std::string resume, std::size_t max, WallTime now, Done<Page> done) override {
    d_.call<Page>(std::move(done), [this, f = std::string(filter), r = std::move(resume), max,
                                    now](Done<Page> d) mutable { to_.match(f, std::move(r), max, now, std::move(d)); });
  }
  std::size_t count() const override { return to_.count(); }

 private:
  ports::RetainedStore& to_;
  Delayed d_;
};

}  // namespace sb::broker::testing
