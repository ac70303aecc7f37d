// SPDX-License-Identifier: MIT
#include "store/service.h"

#include <utility>

#include "store/outbox.h"

namespace sb::store {

Service::Service(Backend backend) : backend_(std::move(backend)) { begin(); }

std::string Service::open(const std::function<std::string(io::EventLoop&, Backend&)>& make) {
  std::string why = make(loop_, backend_);
  if (!why.empty()) return why;
  begin();
  loop_.let_go();
  return {};
}

void Service::begin() {
  loop_.set_turn(backend_.engine.get());
  if (backend_.engine) backend_.engine->start(loop_);
}

void Service::start() {
  thread_ = std::thread([this] { loop_.run(); });
}

void Service::stop() {
  if (!thread_.joinable()) return;
  loop_.post_fn([this] {  // what was asked before is still done
    auto end = [this] {
      if (backend_.engine) backend_.engine->stop();
      loop_.stop();
    };
    if (backend_.engine)
      backend_.engine->drain(end);
    else
      end();
  });
  thread_.join();
}

/// Carries requests of one shard to the store thread and the answers back.
struct ShardStores::Bridge {
  Bridge(Service& service, io::EventLoop& shard)
      : requests(shard, service.loop()), answers(service.loop(), shard), engine(service.backend().engine.get()) {
    if (engine) requests.set_behind([](void* e) { static_cast<Engine*>(e)->on_requests_end(); }, engine);
  }
  Outbox requests, answers;
  Engine* const engine;     ///< null: none is needed
  std::uint64_t known = 0;  ///< outages of which this shard has heard

  /// Runs `request()` on the store thread.
  template <class Request>
  void tell(Request request) {
    requests.add([this, known = known, request = std::move(request)]() mutable {
      if (engine) engine->asked_knowing(known);
      request();
    });
  }
  /// Runs `request(done)` on the store thread; what it gives to done() arrives at `done` on the shard.
  template <class T, class Request>
  void call(std::function<void(result<T>)> done, Request request) {
    tell([this, done = std::move(done), request = std::move(request)]() mutable {
      request([this, done = std::move(done)](result<T> answer) mutable {
        answers.add([this, outages = engine ? engine->outages() : 0, done = std::move(done),
                     answer = std::move(answer)]() mutable {
          known = outages;
          done(std::move(answer));
        });
      });
    });
  }
};

class ShardStores::Logs final : public ports::LogStore {
 public:
  using LogId = ports::LogId;
  Logs(ports::LogStore& to, Bridge& bridge) : to_(to), bridge_(bridge), notices_(bridge.answers) {}

  void join(std::string_view filter, std::string_view member, Done<Joined> done) override {
    bridge_.call<Joined>(std::move(done), [this, f = std::string(filter), m = std::string(member)](Done<Joined> d) {
      to_.join(f, m, std::move(d));
    });
  }
  void leave(std::string_view filter, std::string_view member) override {
    bridge_.tell([this, f = std::string(filter), m = std::string(member)] { to_.leave(f, m); });
  }
  void abandon(std::string_view filter, std::string_view member) override {
    bridge_.tell([this, f = std::string(filter), m = std::string(member)] { to_.abandon(f, m); });
  }
  void away(std::string_view filter, std::string_view member) override {
    bridge_.tell([this, f = std::string(filter), m = std::string(member)] { to_.away(f, m); });
  }
  void release(std::string_view filter, std::string_view member, model::Position low) override {
    bridge_.tell([this, f = std::string(filter), m = std::string(member), low] { to_.release(f, m, low); });
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
      notices_.watcher = w;
      to_.attach(log, &notices_, std::move(d));
    });
  }
  void detach(LogId log, ports::LogWatcher*) override {
    bridge_.tell([this, log] { to_.detach(log, &notices_); });
  }

 private:
  /// Gathers what was appended, on the store thread, and hands it to the shard in one piece with the answers, in order.
  struct Notices final : ports::LogWatcher {
    struct Notice {
      LogId log;
      model::Position previous;
      ports::StoredMessage message;
    };
    explicit Notices(Outbox& o) : out(o) {}
    Outbox& out;
    ports::LogWatcher* watcher = nullptr;
    std::vector<Notice>* open = nullptr;  ///< the last thing in the outbox, while its mark is this one
    std::uint64_t mark = 0;

    void on_appended(LogId log, model::Position previous, const ports::StoredMessage& m) override {
      if (!open || mark != out.mark()) {
        auto batch = std::make_unique<std::vector<Notice>>();
        open = batch.get();
        open->push_back({log, previous, m});
        out.add([w = watcher, batch = std::move(batch)] {
          for (auto& n : *batch) w->on_appended(n.log, n.previous, n.message);
        });
        mark = out.mark();
      } else {
        open->push_back({log, previous, m});
      }
    }
  };

  ports::LogStore& to_;
  Bridge& bridge_;
  Notices notices_;
};

class ShardStores::Sessions final : public ports::SessionStore {
 public:
  Sessions(ports::SessionStore& to, Bridge& bridge) : to_(to), bridge_(bridge) {}
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
  void outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) override {
    bridge_.call<Outbound>(std::move(done), [this, id = std::string(client_id), packet_id](Done<Outbound> d) {
      to_.outbound(id, packet_id, std::move(d));
    });
  }
  void fired(std::uint64_t will) override {
    bridge_.tell([this, will] { to_.fired(will); });
  }
  void keep_will(std::string_view client_id, std::string_view username, model::WillRecord will,
                 std::uint64_t connection) override {
    bridge_.tell([this, id = std::string(client_id), user = std::string(username), w = std::move(will),
                  connection]() mutable { to_.keep_will(id, user, std::move(w), connection); });
  }
  void forget_will(std::string_view client_id, std::uint64_t connection) override {
    bridge_.tell([this, id = std::string(client_id), connection] { to_.forget_will(id, connection); });
  }

 private:
  ports::SessionStore& to_;
  Bridge& bridge_;
};

class ShardStores::Retained final : public ports::RetainedStore {
 public:
  Retained(ports::RetainedStore& to, Bridge& bridge) : to_(to), bridge_(bridge) {}
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
  Bridge& bridge_;
};

ShardStores::ShardStores(Service& service, io::EventLoop& shard) {
  bridge_ = std::make_unique<Bridge>(service, shard);
  Backend& b = service.backend();
  logs_ = std::make_unique<Logs>(*b.logs, *bridge_);
  sessions_ = std::make_unique<Sessions>(*b.sessions, *bridge_);
  retained_ = std::make_unique<Retained>(*b.retained, *bridge_);
}
ShardStores::~ShardStores() = default;
ports::LogStore& ShardStores::logs() { return *logs_; }
ports::SessionStore& ShardStores::sessions() { return *sessions_; }
ports::RetainedStore& ShardStores::retained() { return *retained_; }

}  // namespace sb::store
