// SPDX-License-Identifier: MIT
#include "auth/redis_users.h"

#include <utility>

#include "auth/user_lines.h"
#include "base/json.h"

namespace sb::auth {

using mqtt::Reason;

namespace {

constexpr std::size_t kAclDepth = 3;  // an object, lists, filters

MonoTime now() { return SystemClock().mono(); }

std::string key_of(const std::string& prefix, std::string_view name) {
  std::string key = prefix + "{u:";
  for (char c : name) {
    if (c == '{') {
      key += "%7B";
    } else if (c == '}') {
      key += "%7D";
    } else if (c == '%') {
      key += "%25";
    } else {
      key += c;
    }
  }
  return key += '}';
}

bool says_no(std::string_view value) { return value.empty() || value == "0" || value == "no" || value == "false"; }

redis::Options connection_options(const RedisUsers::Options& o) {
  redis::Options out = redis::Options::of(o.url);
  out.tls = o.tls;
  out.client_name = "signalbox-users";
  out.connect_timeout = out.command_timeout = o.timeout;
  out.pause_max = Millis(1000);
  return out;
}

}  // namespace

std::shared_ptr<const RedisUser> RedisUser::read(std::string_view name, redis::Reply::View fields, std::string& why) {
  const auto password = fields[0], acl = fields[1], disabled = fields[2];
  if (password.is_nil() && acl.is_nil() && disabled.is_nil()) return nullptr;
  auto user = std::make_shared<RedisUser>();
  user->disabled = !says_no(disabled.text());
  user->rights = DocumentRights::nothing();
  if (!password.is_nil()) {
    std::string lines(password.text());
    if (!split_user_line(lines.substr(0, lines.find('\n')))) lines = std::string(name) + ':' + lines;  // a hash alone
    std::string problem;
    auto parsed = PasswordUsers::parse(lines, problem);
    if (parsed && (*parsed)->find(name)) {
      user->password = *parsed;
    } else {
      why = "password: " + (parsed ? "the line is another user's" : problem);
    }
  }
  if (!acl.is_nil()) {
    const auto document = parse_json(acl.text(), kAclDepth);
    if (auto rights = document ? DocumentRights::parse(*document) : nullptr)
      user->rights = std::move(rights);
    else
      why = "acl: expected {\"pub\": [...], \"sub\": [...], \"all\": [...]} with topic filters";
  }
  return user;
}

/// Calls a function again and again.
class RedisUsers::Ticker final : public io::Timer {
 public:
  Ticker(io::EventLoop& loop, Millis period, std::function<void()> f) : loop_(loop), period_(period), f_(std::move(f)) {
    loop_.timers().set(*this, loop_.now() + period_);
  }
  ~Ticker() { loop_.timers().cancel(*this); }
  void on_timer() override {
    f_();
    loop_.timers().set(*this, loop_.now() + period_);
  }

 private:
  io::EventLoop& loop_;
  const Millis period_;
  const std::function<void()> f_;
};

RedisUsers::RedisUsers(Options options) : options_(std::move(options)), breaker_(options_.breaker) {
  client_ = std::make_unique<redis::Client>(loop_, options_.url, connection_options(options_));
  loop_.post_fn([this] { client_->start(); });
  thread_ = std::thread([this] { loop_.run(); });
}

RedisUsers::~RedisUsers() { stop(); }

void RedisUsers::stop() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  loop_.post_fn([this] {
    ticker_.reset();
    client_.reset();  // answers what it was asked
    loop_.stop();
  });
  thread_.join();
}

void RedisUsers::every(Millis period, std::function<void()> f) {
  loop_.post_fn(
      [this, period, f = std::move(f)]() mutable { ticker_ = std::make_unique<Ticker>(loop_, period, std::move(f)); });
}

void RedisUsers::find(std::string_view name, Millis max_age, Done done) {
  const MonoTime at = now();
  const std::string key(name);
  User user;
  std::optional<Reason> refused;
  {
    std::lock_guard lock(mutex_);
    if (auto it = known_.find(key); it != known_.end() && at < it->second.heard + max_age) {
      user = it->second.user;
    } else {
      refused = refuse_or_wait(key, done, at);
      if (!refused) return;
    }
  }
  if (refused) return done(*refused);
  done(user);
}

/// Nothing: the answer will come.
std::optional<Reason> RedisUsers::refuse_or_wait(const std::string& name, Done& done, MonoTime at) {
  if (stopping_) return Reason::server_unavailable;
  if (waiting_ >= options_.pending) return Reason::server_busy;
  auto it = questions_.find(name);
  if (it == questions_.end()) {
    auto permit = breaker_.ask(at);
    if (!permit) return Reason::server_unavailable;
    it = questions_.emplace(name, Question{*permit, {}}).first;
    loop_.post_fn([this, name] { ask(name); });  // in front of what stop() posts
  }
  it->second.waiting.push_back(std::move(done));
  ++waiting_;
  return std::nullopt;
}

void RedisUsers::ask(const std::string& name) {
  const std::string key = key_of(options_.prefix, name);
  client_->call({"HMGET", key, "password", "acl", "disabled"}, key, options_.timeout,
                [this, name](redis::Outcome& o) { answered(name, o); });
}

void RedisUsers::answered(const std::string& name, redis::Outcome& o) {
  std::string why;
  Outcome outcome = Reason::server_unavailable;
  if (o.done()) outcome = RedisUser::read(name, o.value(), why);
  std::vector<Done> waiting;
  {
    std::lock_guard lock(mutex_);
    auto question = questions_.extract(name);
    waiting = std::move(question.mapped().waiting);
    waiting_ -= waiting.size();
    if (!outcome) {
      failed(question.mapped().permit, o.text());
    } else {
      if (breaker_.succeeded(question.mapped().permit)) log::info("auth.redis answers again");
      remember(name, *outcome);
    }
    if (!why.empty() && record_log_.pass())
      log::warn("auth.redis user={} {}; it allows nothing and_before_it={}", log::name(name), why,
                record_log_.suppressed());
  }
  for (Done& done : waiting) done(outcome);
}

void RedisUsers::failed(Breaker::Permit permit, const std::string& why) {
  if (stopping_) return breaker_.cancelled(permit);
  const bool opened = breaker_.failed(permit, now());
  if (opened || failure_log_.pass())
    log::warn("auth.redis does not answer: error=\"{}\"{}", why, opened ? "; logins that need it are refused" : "");
}

/// Forgets those who are gone, and the oldest beyond the bound.
void RedisUsers::remember(const std::string& name, const User& user) {
  auto it = known_.find(name);
  if (it == known_.end()) {
    if (!user || options_.cache == 0) return;
    while (oldest_.size() >= options_.cache) {
      known_.erase(oldest_.front());
      oldest_.pop_front();
    }
    oldest_.push_back(name);
    it = known_.emplace(name, Known{}).first;
  }
  // One who is gone stays as an entry that is too old, since its place in the order is not looked for.
  it->second = user ? Known{user, now()} : Known{nullptr, MonoTime()};
}

}  // namespace sb::auth
