// SPDX-License-Identifier: MIT
#include "http/client.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <vector>

#include "http/connection.h"

namespace sb::http {

namespace asio = boost::asio;

/// The connections, and the requests that wait for one. Everything but post() runs on the control thread. Who holds
/// whom: an operation of Asio its connection, and that, by the function that it calls, the job and the pool.
class Client::Pool final : public ControlThread::Work, public std::enable_shared_from_this<Pool> {
 public:
  Pool(asio::io_context& io, asio::ssl::context tls, Options options)
      : options_(std::move(options)), io_(io), tls_(std::move(tls)) {}

  void post(Request request, Done done);
  void stop() override;
  asio::io_context& io() { return io_; }

 private:
  /// A request, until it is answered or given up.
  struct Job {
    Job(asio::io_context& io, Request r, Done d) : request(std::move(r)), done(std::move(d)), timer(io) {}
    ~Job() { OPENSSL_cleanse(request.body.data(), request.body.size()); }
    Request request;
    Done done;  ///< null: it is over
    asio::steady_timer timer;
    Connection* connection = nullptr;  ///< that it runs on
  };
  using JobPtr = std::shared_ptr<Job>;
  using Clock = std::chrono::steady_clock;
  struct Idle {
    std::shared_ptr<Connection> connection;
    Clock::time_point since;
  };

  void take(const JobPtr& job, Clock::time_point deadline);
  void give_out();
  void run(const JobPtr& job, const std::shared_ptr<Connection>& connection);
  void answered(const JobPtr& job, Connection& connection, result<Response> r);
  void finish(Job& job, result<Response> r);
  std::shared_ptr<Connection> kept();

  const Options options_;
  asio::io_context& io_;
  asio::ssl::context tls_;
  std::deque<JobPtr> waiting_;
  std::vector<Job*> running_;
  std::vector<Idle> idle_;  ///< the one that was used last is at the end
  std::size_t busy_ = 0;    ///< connections with an exchange, over or not
  bool stopped_ = false;
  std::atomic<std::size_t> jobs_{0};  ///< waiting and running
};

void Client::Pool::post(Request request, Done done) {
  if (jobs_.fetch_add(1) >= options_.connections + options_.waiting) {
    --jobs_;
    OPENSSL_cleanse(request.body.data(), request.body.size());
    return done(errc::busy);
  }
  const auto deadline = Clock::now() + request.timeout;
  auto job = std::make_shared<Job>(io_, std::move(request), std::move(done));
  asio::post(io_, [self = shared_from_this(), job, deadline] { self->take(job, deadline); });
}

void Client::Pool::take(const JobPtr& job, Clock::time_point deadline) {
  if (stopped_) return finish(*job, errc::closed);
  job->timer.expires_at(deadline);
  job->timer.async_wait([self = shared_from_this(), job](const error_code& e) {
    if (e || !job->done) return;
    std::erase(self->waiting_, job);
    if (job->connection) job->connection->close();  // answered() follows, and lets go of it
    self->finish(*job, errc::timeout);
  });
  waiting_.push_back(job);
  give_out();
}

/// Requests to connections, as long as there are both.
void Client::Pool::give_out() {
  while (!waiting_.empty() && busy_ < options_.connections) {
    JobPtr job = std::move(waiting_.front());
    waiting_.pop_front();
    auto connection = kept();
    if (!connection) connection = std::make_shared<Connection>(io_, tls_, options_);
    run(job, connection);
  }
}

/// A connection that was used a short while ago, or null.
std::shared_ptr<Connection> Client::Pool::kept() {
  const auto oldest = Clock::now() - options_.idle;
  std::erase_if(idle_, [&](const Idle& i) { return i.since < oldest; });
  if (idle_.empty()) return nullptr;
  auto connection = std::move(idle_.back().connection);
  idle_.pop_back();
  return connection;
}

void Client::Pool::run(const JobPtr& job, const std::shared_ptr<Connection>& connection) {
  ++busy_;
  job->connection = connection.get();
  running_.push_back(job.get());
  connection->exchange(job->request, [self = shared_from_this(), job, c = connection.get()](result<Response> r) {
    self->answered(job, *c, std::move(r));
  });
}

void Client::Pool::answered(const JobPtr& job, Connection& connection, result<Response> r) {
  --busy_;
  std::erase(running_, job.get());
  job->connection = nullptr;
  if (connection.reusable() && !stopped_) idle_.push_back({connection.shared_from_this(), Clock::now()});
  const bool again = !r && job->done && !stopped_ && connection.was_stale();
  if (again)
    run(job, std::make_shared<Connection>(io_, tls_, options_));
  else
    finish(*job, std::move(r));
  give_out();
}

void Client::Pool::finish(Job& job, result<Response> r) {
  if (!job.done) return;
  --jobs_;
  job.timer.cancel();
  std::exchange(job.done, nullptr)(std::move(r));
}

void Client::Pool::stop() {
  stopped_ = true;
  idle_.clear();
  for (auto& job : std::exchange(waiting_, {})) finish(*job, errc::closed);
  for (Job* job : running_) {  // the connections go on to hold them, until their operations end
    job->connection->close();
    finish(*job, errc::closed);
  }
}

namespace {

result<asio::ssl::context> tls_context(const Client::Options& options, std::string& why) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  if (!options.server.tls) return tls;
  error_code e;
  if (options.ca_file.empty())
    tls.set_default_verify_paths(e);
  else
    tls.load_verify_file(options.ca_file, e);
  if (!e) return tls;
  why = options.ca_file + ": " + make_error_code(errc::bad_certificate).message();
  return errc::bad_certificate;
}

}  // namespace

result<std::unique_ptr<Client>> Client::make(ControlThread& thread, Options options, std::string& why) {
  auto tls = tls_context(options, why);
  if (!tls) return tls.error();
  auto pool = std::make_shared<Pool>(thread.io(), std::move(*tls), std::move(options));
  thread.add(pool);
  return std::unique_ptr<Client>(new Client(std::move(pool)));
}

Client::Client(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}

Client::~Client() {
  asio::post(pool_->io(), [pool = pool_] { pool->stop(); });
}

void Client::post(Request request, Done done) { pool_->post(std::move(request), std::move(done)); }

}  // namespace sb::http
