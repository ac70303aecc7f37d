// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "auth/answer_cache.h"
#include "auth/secret_text.h"
#include "auth/users.h"
#include "base/time.h"

namespace sb::auth {

/// Checks names and passwords on threads of its own, as a check takes a core for 0.1 to 0.2 s. What came out right is
/// remembered for a short time, and equal checks that wait share one hash: so ten thousand clients of one user that
/// come back together cost one. Threads: any, but for the end.
class PasswordMethod {
 public:
  struct Options {
    std::size_t threads = 1;
    std::size_t queue = 100;      ///< checks that wait for a hash; above: busy. About 0.2 s each, on one thread
    std::size_t waiting = 65536;  ///< clients that wait, many of them for the same check; above: busy
    std::size_t cache = 10000;    ///< checks that came out right and are remembered, about 120 bytes each
    Seconds cache_time{300};      ///< for how long
  };
  struct Counts {
    std::uint64_t hashes = 0;      ///< computed
    std::uint64_t remembered = 0;  ///< checks answered without one
    std::uint64_t shared = 0;      ///< checks that waited for another's
    std::uint64_t busy = 0;        ///< refused at a bound
  };
  /// Nothing = busy: nobody looked at the password [0x89, MQTT 5]; MQTT 3 clients are told "server unavailable" (3).
  using Done = std::function<void(std::optional<Checked>)>;

  /// `users`: null = nobody is known, until replace().
  PasswordMethod(std::shared_ptr<const PasswordUsers> users, Options options);
  explicit PasswordMethod(std::shared_ptr<const PasswordUsers> users) : PasswordMethod(std::move(users), Options()) {}
  /// stop().
  ~PasswordMethod();
  PasswordMethod(const PasswordMethod&) = delete;
  PasswordMethod& operator=(const PasswordMethod&) = delete;

  /// Calls `done` exactly once: on a worker's thread, or before it returns when a bound is reached. Callers post to
  /// their loops themselves. To be asked after cached(), as this waits for slow checks. `password` is wiped.
  /// `users`: instead of those that all have; null = these.
  void check(std::string name, std::string password, Done done, std::shared_ptr<const PasswordUsers> users = nullptr);

  /// The answer, when it needs no hash: `right`, or nothing. Takes microseconds.
  std::optional<Checked> cached(std::string_view name, std::string_view password, const PasswordUsers* users = nullptr);

  /// Whether the users have this name.
  bool knows(std::string_view name) const;

  /// From now on these users. Checks that wait are made with them; those under way end with the users before.
  void replace(std::shared_ptr<const PasswordUsers> users);

  /// Ends the check that is under way and answers those that wait, and those that still come, with busy. Behind it no
  /// `done` is kept. Not from within a `done`: who has one that keeps this alive stops it before he lets go.
  void stop();

  Counts counts() const;

 private:
  using Key = ShownKey;
  /// One hash to compute, and who wants to know.
  struct Job {
    std::string name;
    SecretText password;
    std::shared_ptr<const PasswordUsers> users;  ///< null: those of when it is computed
    std::vector<Done> waiting;
  };

  void work();
  Checked compute(const PasswordUsers& users, const Job& job);
  /// A MAC over all that the answer depends on, so that one of other users never serves.
  Key key_of(const PasswordUsers* users, std::string_view name, std::string_view password) const;
  std::shared_ptr<const PasswordUsers> users() const;

  const Options options_;
  const ShownKeys keys_;

  mutable std::mutex mutex_;  ///< for what follows
  std::condition_variable wake_;
  std::shared_ptr<const PasswordUsers> users_;
  PasswordCache cache_;
  std::unordered_map<Key, Job, ShownKeyHash> jobs_;  ///< those under way, too
  std::deque<Key> queue_;                            ///< of jobs_, those that wait
  std::size_t waiting_ = 0;                          ///< callers in all of jobs_
  bool stopping_ = false;

  std::atomic<std::uint64_t> hashes_ = 0, remembered_ = 0, shared_ = 0, busy_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace sb::auth
