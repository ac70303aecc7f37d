// SPDX-License-Identifier: MIT
#include "auth/password_method.h"

#include <algorithm>
#include <utility>

namespace sb::auth {
namespace {

MonoTime now() { return SystemClock().mono(); }

}  // namespace

PasswordMethod::PasswordMethod(std::shared_ptr<const PasswordUsers> users, Options options)
    : options_(options), users_(std::move(users)), cache_(options.cache, options.cache_time) {
  for (std::size_t i = 0; i < std::max<std::size_t>(options_.threads, 1); ++i)
    threads_.emplace_back([this] { work(); });
}

PasswordMethod::~PasswordMethod() { stop(); }

void PasswordMethod::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& t : threads_) t.join();
  threads_.clear();
}

std::shared_ptr<const PasswordUsers> PasswordMethod::users() const {
  std::lock_guard lock(mutex_);
  return users_;
}

bool PasswordMethod::knows(std::string_view name) const {
  auto known = users();
  return known && known->find(name) != nullptr;
}

PasswordMethod::Key PasswordMethod::key_of(const PasswordUsers* users, std::string_view name,
                                           std::string_view password) const {
  // An unknown name has a hash, too: nobody can time what happens here.
  const std::string hash = users != nullptr ? format_password_hash(users->login(name)) : std::string();
  return keys_.key({name, hash, password});
}

std::optional<Checked> PasswordMethod::cached(std::string_view name, std::string_view password,
                                              const PasswordUsers* own) {
  const Key key = key_of(own ? own : users().get(), name, password);
  std::lock_guard lock(mutex_);
  if (!cache_.has(key, now())) return std::nullopt;
  ++remembered_;
  return Checked::right;
}

void PasswordMethod::check(std::string name, std::string password, Done done,
                           std::shared_ptr<const PasswordUsers> own) {
  const Key key = key_of(own ? own.get() : users().get(), name, password);
  SecretText secret(password);
  wipe(password);
  {
    std::lock_guard lock(mutex_);
    auto job = jobs_.find(key);
    const bool is_new = job == jobs_.end();
    if (!stopping_ && waiting_ < options_.waiting && (!is_new || queue_.size() < options_.queue)) {
      if (is_new) {
        job = jobs_.emplace(key, Job{std::move(name), std::move(secret), std::move(own), {}}).first;
        queue_.push_back(key);
        wake_.notify_one();
      } else {
        ++shared_;
      }
      job->second.waiting.push_back(std::move(done));
      ++waiting_;
      return;
    }
  }
  ++busy_;
  done(std::nullopt);
}

void PasswordMethod::replace(std::shared_ptr<const PasswordUsers> users) {
  std::lock_guard lock(mutex_);
  users_.swap(users);
  cache_.clear();
}

void PasswordMethod::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Key key = queue_.front();
    queue_.pop_front();
    // Others may still join the job, but nobody changes what is to be checked, and it stays where it is in the map.
    const Job& job = jobs_.find(key)->second;
    std::shared_ptr<const PasswordUsers> users = job.users ? job.users : users_;
    const bool stopping = stopping_;
    lock.unlock();

    std::optional<Checked> answer;
    if (!stopping) answer = users ? compute(*users, job) : Checked::unknown;
    users.reset();  // without the lock: they may be many, and replaced meanwhile

    lock.lock();
    auto finished = jobs_.extract(key);
    waiting_ -= finished.mapped().waiting.size();
    lock.unlock();
    if (!answer) busy_ += finished.mapped().waiting.size();
    for (Done& done : finished.mapped().waiting) done(answer);
    finished = {};  // what the callers captured goes without the lock, too
    lock.lock();
  }
}

Checked PasswordMethod::compute(const PasswordUsers& users, const Job& job) {
  // With the users of now, who may not be those of when the job came; so its key is not the job's.
  const Key key = key_of(&users, job.name, job.password.view());
  {
    std::lock_guard lock(mutex_);
    if (cache_.has(key, now())) {
      ++remembered_;
      return Checked::right;
    }
  }
  ++hashes_;
  const Checked checked = users.check(job.name, job.password.view());
  if (checked == Checked::right) {
    std::lock_guard lock(mutex_);
    cache_.add(key, now());
  }
  return checked;
}

PasswordMethod::Counts PasswordMethod::counts() const { return {hashes_, remembered_, shared_, busy_}; }

}  // namespace sb::auth
