// SPDX-License-Identifier: MIT
#include "store/service.h"

#include <utility>

namespace sb::store {

void Service::start() {
  thread_ = std::thread([this] { loop_.run(); });
}

void Service::stop() {
  if (!thread_.joinable()) return;
  loop_.post_fn([this] { loop_.stop(); });  // what was asked before is still done
  thread_.join();
}

namespace {

/// Carries requests of one shard to the store thread and the answers back.
struct Bridge {
  io::EventLoop& store;
  io::EventLoop& shard;

  /// Runs `request(done)` on the store thread; what it gives to done() arrives at `done` on the shard.
  template <class T, class Request>
  void call(std::function<void(result<T>)> done, Request request) {
    store.post_fn([this, done = std::move(done), request = std::move(request)]() mutable {
      request([this, done = std::move(done)](result<T> answer) mutable {
        shard.post_fn([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
      });
    });
  }
};

}  // namespace

class ShardStores::Logs final : public ports::LogStore {
 public:
  using LogId = ports::LogId;
  Logs(ports::LogStore& to, Bridge bridge)
      : to_(to), bridge_(bridge), notices_(std::make_unique<Notices>(bridge.store, bridge.shard)) {}

  void join(std::string_view filter, std::string_view member, Done<Joined> done) override {
    bridge_.call<Joined>(std::move(done), [this, f = std::string(filter), m = std::string(member)](Done<Joined> d) {
      to_.join(f, m, std::move(d));
    });
  }
  void leave(std::string_view filter, std::string_view member) override {
    bridge_.store.post_fn([this, f = std::string(filter), m = std::string(member)] { to_.leave(f, m); });
  }
  void release(std::string_view filter, std::string_view member, model::Position low) override {
    bridge_.store.post_fn([this, f = std::string(filter), m = std::string(member), low] { to_.release(f, m, low); });
  }
  void append(std::vector<Append> batch, Done<void> done) override {
    bridge_.call<void>(std::move(done), [this, batch = std::move(batch)](Done<void> d) mutable {
      to_.append(std::move(batch), std::move(d));
    });
  }
  void read(LogId log, model::Position after, std::size_t max, Done<ports::LogPage> done) override {
    bridge_.call<ports::LogPage>(
        std::move(done), [this, log, after, max](Done<ports::LogPage> d) { to_.read(log, after, max, std::move(d)); });
  }
  void attach(LogId log, ports::LogWatcher* w, Done<model::Position> done) override {
    bridge_.call<model::Position>(std::move(done), [this, log, w](Done<model::Position> d) {
      notices_->watcher = w;
      to_.attach(log, notices_.get(), std::move(d));
    });
  }
  void detach(LogId log, ports::LogWatcher*) override {
    bridge_.store.post_fn([this, log] { to_.detach(log, notices_.get()); });
  }

 private:
  /// Gathers what was appended, on the store thread, and hands it to the shard in one piece.
  struct Notices final : ports::LogWatcher {
    struct Notice {
      LogId log;
      model::Position previous;
      ports::StoredMessage message;
    };
    Notices(io::EventLoop& of_store, io::EventLoop& of_shard) : store(of_store), shard(of_shard) {}
    io::EventLoop& store;
    io::EventLoop& shard;
    ports::LogWatcher* watcher = nullptr;
    std::vector<Notice> gathered;

    void on_appended(LogId log, model::Position previous, const ports::StoredMessage& m) override {
      gathered.push_back({log, previous, m});
      if (gathered.size() > 1) return;
      store.post_fn([this] {  // behind what the store thread has before it: more notices may come together
        shard.post_fn([w = watcher, batch = std::exchange(gathered, {})] {
          for (auto& n : batch) w->on_appended(n.log, n.previous, n.message);
        });
      });
    }
  };

  ports::LogStore& to_;
  Bridge bridge_;
  std::unique_ptr<Notices> notices_;
};

class ShardStores::Sessions final : public ports::SessionStore {
 public:
  Sessions(ports::SessionStore& to, Bridge bridge) : to_(to), bridge_(bridge) {}
  bool any() const override { return to_.any(); }
  void claim(Claim c, Done<Claimed> done) override {
    bridge_.call<Claimed>(std::move(done),
                          [this, c = std::move(c)](Done<Claimed> d) mutable { to_.claim(std::move(c), std::move(d)); });
  }
  void change(std::string_view client_id, std::uint64_t epoch, ports::SessionChange c, Done<void> done) override {
    bridge_.call<void>(std::move(done),
                       [this, id = std::string(client_id), epoch, c = std::move(c)](Done<void> d) mutable {
                         to_.change(id, epoch, std::move(c), std::move(d));
                       });
  }
  void end(std::string_view client_id, std::uint64_t epoch, Done<void> done) override {
    bridge_.call<void>(std::move(done),
                       [this, id = std::string(client_id), epoch](Done<void> d) { to_.end(id, epoch, std::move(d)); });
  }
  void take_due(WallTime now, Done<std::vector<Due>> done) override {
    bridge_.call<std::vector<Due>>(std::move(done),
                                   [this, now](Done<std::vector<Due>> d) { to_.take_due(now, std::move(d)); });
  }

 private:
  ports::SessionStore& to_;
  Bridge bridge_;
};

class ShardStores::Retained final : public ports::RetainedStore {
 public:
  Retained(ports::RetainedStore& to, Bridge bridge) : to_(to), bridge_(bridge) {}
  void set(model::MessagePtr m, Done<void> done) override {
    bridge_.call<void>(std::move(done),
                       [this, m = std::move(m)](Done<void> d) mutable { to_.set(std::move(m), std::move(d)); });
  }
  void match(std::string_view filter, std::string resume, std::size_t max, WallTime now, Done<Page> done) override {
    bridge_.call<Page>(std::move(done),
                       [this, f = std::string(filter), resume = std::move(resume), max, now](Done<Page> d) mutable {
                         to_.match(f, std::move(resume), max, now, std::move(d));
                       });
  }
  std::size_t count() const override { return to_.count(); }

 private:
  ports::RetainedStore& to_;
  Bridge bridge_;
};

ShardStores::ShardStores(Service& service, io::EventLoop& shard) {
  Bridge bridge{service.loop(), shard};
  Backend& b = service.backend();
  logs_ = std::make_unique<Logs>(*b.logs, bridge);
  sessions_ = std::make_unique<Sessions>(*b.sessions, bridge);
  retained_ = std::make_unique<Retained>(*b.retained, bridge);
}
ShardStores::~ShardStores() = default;
ports::LogStore& ShardStores::logs() { return *logs_; }
ports::SessionStore& ShardStores::sessions() { return *sessions_; }
ports::RetainedStore& ShardStores::retained() { return *retained_; }

}  // namespace sb::store
