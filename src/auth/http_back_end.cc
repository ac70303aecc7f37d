// SPDX-License-Identifier: MIT
#include "auth/http_back_end.h"

#include "auth/scram_keys.h"

namespace sb::auth {

using mqtt::Reason;

namespace {

MonoTime now() { return SystemClock().mono(); }

}  // namespace

result<std::unique_ptr<HttpBackEnd>> HttpBackEnd::make(http::ControlThread& thread, Options options, std::string& why) {
  http::Client::Options o;
  o.server = options.url;
  o.ca_file = options.ca_file;
  o.waiting = options.pending;
  auto client = http::Client::make(thread, std::move(o), why);
  if (!client) return client.error();
  return std::unique_ptr<HttpBackEnd>(new HttpBackEnd(std::move(options), std::move(*client)));
}

void HttpBackEnd::ask(std::string body, Done done) {
  std::optional<Breaker::Permit> permit;
  {
    std::lock_guard lock(state_->mutex);
    permit = state_->breaker.ask(now());
  }
  if (!permit) {
    ++state_->refused;
    wipe(body);
    return done(Reason::server_unavailable);
  }
  const Options& o = state_->options;
  http::Request request{o.url.target, std::move(body), {}, o.timeout};
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  if (!o.token.empty()) request.headers.emplace_back("Authorization", "Bearer " + o.token);
  client_->post(std::move(request), [state = state_, p = *permit, done = std::move(done)](result<http::Response> r) {
    done(state->judge(r, p));
  });
}

HttpBackEnd::Outcome HttpBackEnd::State::judge(const result<http::Response>& r, Breaker::Permit permit) {
  if (!r && (r.error() == http::errc::busy || r.error() == http::errc::closed)) {  // neither speaks against the server
    std::lock_guard lock(mutex);
    breaker.cancelled(permit);
    if (r.error() == http::errc::closed) return Reason::server_unavailable;
    ++busy;
    return Reason::server_busy;
  }
  ++sent;
  std::string why;
  auto answer = r ? parse_http_answer(options.asked, r->status, r->body, why) : std::nullopt;
  if (!answer) {
    failed(permit, r ? "no good answer: " + why : r.error().message());
    return Reason::server_unavailable;
  }
  std::lock_guard lock(mutex);
  if (breaker.succeeded(permit))
    log::info("back end answers again key={} server={}", options.key, options.url.origin());
  return *answer;
}

void HttpBackEnd::State::failed(Breaker::Permit permit, const std::string& why) {
  ++failures;
  std::lock_guard lock(mutex);
  if (failure_log.pass())
    log::warn("back end failed key={} server={} reason=\"{}\" and_before_it={}", options.key, options.url.origin(), why,
              failure_log.suppressed());
  if (breaker.failed(permit, now()))
    log::warn("back end is not asked for {} ms, and who would need it is refused key={} server={}",
              options.breaker.retry_after.count(), options.key, options.url.origin());
}

HttpBackEnd::Counts HttpBackEnd::counts() const {
  return {state_->sent, state_->failures, state_->refused, state_->busy};
}

}  // namespace sb::auth
