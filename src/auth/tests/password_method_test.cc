// SPDX-License-Identifier: MIT
#include "auth/password_method.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <latch>
#include <map>

namespace sb::auth {
namespace {

using Answer = std::optional<Checked>;
constexpr Answer kBusy = std::nullopt;

std::string line(const std::string& name, std::string_view password, std::uint32_t ln = 10) {
  return name + ":" + format_password_hash(make_password_hash(password, {ln, 8, 1})) + "\n";
}

std::shared_ptr<const PasswordUsers> users(const std::string& text) {
  std::string why;
  auto r = PasswordUsers::parse(text, why);
  EXPECT_TRUE(r.has_value()) << why;
  return *r;
}

PasswordMethod::Options options(std::size_t queue, std::size_t waiting = 65536) {
  return {.queue = queue, .waiting = waiting};
}

/// Counts answers; wait() until there are as many as asked for.
class Answers {
 public:
  PasswordMethod::Done one() {
    return [this](Answer a) {
      std::lock_guard lock(mutex_);
      ++counts_[a];
      ++all_;
      changed_.notify_all();
    };
  }
  std::map<Answer, int> wait(int all) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return all_ >= all; });
    return counts_;
  }
  std::map<Answer, int> now() { return wait(0); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Answer, int> counts_;
  int all_ = 0;
};

Answer ask(PasswordMethod& method, const std::string& name, const std::string& password) {
  Answers answers;
  method.check(name, password, answers.one());
  return answers.wait(1).begin()->first;
}

/// Keeps the only worker in a `done` until it goes or open() is called.
class Held {
 public:
  explicit Held(PasswordMethod& method) {
    method.check("nobody", "holds the worker", [gates = gates_](Answer) {
      gates->held.count_down();
      gates->opened.wait();
    });
    gates_->held.wait();
  }
  ~Held() { open(); }
  void open() {
    if (!gates_->opened.try_wait()) gates_->opened.count_down();
  }

 private:
  struct Gates {
    std::latch held{1}, opened{1};
  };
  std::shared_ptr<Gates> gates_ = std::make_shared<Gates>();  // the worker may leave them last
};

TEST(PasswordCache, NewestForAWhile) {
  auto key = [](unsigned char n) {
    ShownKey k{};
    k[0] = n;
    return k;
  };
  PasswordCache cache(2, Millis(100));
  MonoTime t{Millis(1000)};
  cache.add(key(1), t);
  cache.add(key(1), t + Millis(50));
  EXPECT_TRUE(cache.has(key(1), t + Millis(99)));
  EXPECT_FALSE(cache.has(key(1), t + Millis(100))) << "being used does not make it longer";
  EXPECT_FALSE(cache.has(key(2), t));
  cache.add(key(2), t + Millis(60));
  cache.add(key(3), t + Millis(60));
  EXPECT_FALSE(cache.has(key(1), t)) << "the oldest went";
  EXPECT_TRUE(cache.has(key(2), t + Millis(60)) && cache.has(key(3), t + Millis(60)));
  cache.add(key(4), t + Millis(200));
  EXPECT_EQ(cache.size(), 1u) << "what ended went";
  cache.clear();
  EXPECT_FALSE(cache.has(key(4), t + Millis(200)));
  PasswordCache none(0, Millis(100));
  none.add(key(1), t);
  EXPECT_EQ(none.size(), 0u);
}

TEST(PasswordMethod, AnswersAndRemembers) {
  PasswordMethod method(users(line("ada", "right")));
  EXPECT_EQ(method.cached("ada", "right"), kBusy);
  EXPECT_EQ(ask(method, "ada", "wrong"), Checked::wrong);
  EXPECT_EQ(ask(method, "eve", "right"), Checked::unknown);
  EXPECT_EQ(ask(method, "ada", "right"), Checked::right);
  EXPECT_EQ(method.cached("ada", "right"), Checked::right);
  EXPECT_EQ(method.cached("ada", "wrong"), std::nullopt);
  EXPECT_EQ(method.cached("ad", "aright"), std::nullopt);
  EXPECT_EQ(method.cached("eve", "right"), std::nullopt);
  EXPECT_EQ(ask(method, "ada", "right"), Checked::right);
  EXPECT_EQ(ask(method, "ada", "wrong"), Checked::wrong) << "what is wrong is not remembered";
  EXPECT_EQ(method.counts().hashes, 4u);
  EXPECT_EQ(method.counts().remembered, 2u);
}

TEST(PasswordMethod, ManyClientsOfOneUserCostOneHash) {
  PasswordMethod method(users(line("ada", "right")), options(1));
  Answers answers;
  {
    Held held(method);
    for (int i = 0; i < 10000; ++i) method.check("ada", "right", answers.one());
  }
  EXPECT_EQ(answers.wait(10000)[Checked::right], 10000);
  EXPECT_EQ(method.counts().hashes, 2u) << "one is of who held the worker";
  EXPECT_EQ(method.counts().shared, 9999u);
}

TEST(PasswordMethod, IsBusyAboveItsBounds) {
  PasswordMethod method(users(line("ada", "right")), options(2, 5));
  Answers answers;
  Held held(method);
  method.check("ada", "right", answers.one());
  method.check("ada", "one", answers.one());
  EXPECT_TRUE(answers.now().empty());
  method.check("ada", "two", answers.one());
  EXPECT_EQ(answers.now()[kBusy], 1) << "the queue is full";
  method.check("ada", "one", answers.one());
  method.check("ada", "right", answers.one());
  method.check("ada", "right", answers.one());
  EXPECT_EQ(answers.now()[kBusy], 1) << "these wait with others";
  method.check("ada", "right", answers.one());
  EXPECT_EQ(answers.now()[kBusy], 2) << "five wait";
  held.open();
  auto counts = answers.wait(7);
  EXPECT_EQ(counts[Checked::right], 3);
  EXPECT_EQ(counts[Checked::wrong], 2);
  EXPECT_EQ(method.counts().busy, 2u);
  EXPECT_EQ(ask(method, "ada", "right"), Checked::right) << "there is room again";
}

TEST(PasswordMethod, NewUsersServeAtOnce) {
  PasswordMethod method(nullptr);
  EXPECT_EQ(method.cached("ada", "old"), std::nullopt);
  EXPECT_EQ(ask(method, "ada", "old"), Checked::unknown);
  auto old_users = users(line("ada", "old")), new_users = users(line("ada", "new"));
  method.replace(old_users);
  EXPECT_EQ(ask(method, "ada", "old"), Checked::right);
  method.replace(old_users);
  EXPECT_EQ(method.cached("ada", "old"), std::nullopt) << "also when they are the same";
  EXPECT_EQ(ask(method, "ada", "old"), Checked::right);
  Answers answers;
  {
    Held held(method);
    method.check("ada", "new", answers.one());
    method.replace(new_users);
  }
  EXPECT_EQ(answers.wait(1)[Checked::right], 1) << "what waits is checked with the new users";
  EXPECT_EQ(method.cached("ada", "new"), Checked::right);
  EXPECT_EQ(method.cached("ada", "old"), std::nullopt);
  EXPECT_EQ(ask(method, "ada", "old"), Checked::wrong);
}

TEST(PasswordMethod, EndsWhileChecksWait) {
  Answers answers;
  {
    PasswordMethod method(users(line("ada", "right", 15)));
    for (int i = 0; i < 50; ++i) method.check("ada", std::to_string(i), answers.one());
  }
  auto counts = answers.now();
  EXPECT_EQ(counts[kBusy] + counts[Checked::wrong], 50) << "each is answered";
  EXPECT_GT(counts[kBusy], 0) << "all fifty would take seconds";
}

TEST(PasswordMethod, KeepsNobodyBehindItsStop) {
  auto method = std::make_shared<PasswordMethod>(users(line("ada", "right")));
  std::latch answered{1};
  method->check("ada", "right", [method, &answered](Answer) { answered.count_down(); });
  answered.wait();
  method->stop();
  EXPECT_EQ(method.use_count(), 1) << "its own thread would end it";
  EXPECT_EQ(ask(*method, "ada", "right"), kBusy);
}

TEST(PasswordMethod, ADoneMayAskAgain) {
  PasswordMethod method(users(line("ada", "right")));
  Answers second;
  method.check("ada", "wrong", [&](Answer) { method.check("ada", "right", second.one()); });
  EXPECT_EQ(second.wait(1)[Checked::right], 1);
}

TEST(PasswordMethod, FromManyThreads) {
  // The users change between two passwords for one of them, so that both answers are good there and nowhere else.
  auto one = users(line("ada", "1") + line("bob", "b")), two = users(line("ada", "2") + line("bob", "b"));
  constexpr int kThreads = 6, kChecks = 200;
  std::atomic<int> answered = 0, busy = 0, bad = 0;
  {
    PasswordMethod method(one, {.threads = 2, .queue = 4, .cache = 3});
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const std::string mine = "unknown " + std::to_string(t);
        const struct {
          std::string name, password;
          std::vector<Checked> good;
        } rows[] = {{"ada", "1", {Checked::right, Checked::wrong}},
                    {"ada", "2", {Checked::right, Checked::wrong}},
                    {"ada", mine, {Checked::wrong}},
                    {"bob", "b", {Checked::right}},
                    {"bob", "1", {Checked::wrong}},
                    {mine, "b", {Checked::unknown}}};
        for (int i = 0; i < kChecks; ++i) {
          const auto& row = rows[(i + t) % std::size(rows)];
          auto is_good = [good = row.good](Checked c) { return std::find(good.begin(), good.end(), c) != good.end(); };
          if (auto known = method.cached(row.name, row.password); known && !is_good(*known)) ++bad;
          method.check(row.name, row.password, [&, is_good](Answer a) {
            ++answered;
            if (!a) ++busy;
            if (a && !is_good(*a)) ++bad;
          });
          if (i % 10 == t) method.replace(i % 20 < 10 ? one : two);
        }
      });
    }
    for (auto& t : threads) t.join();
    EXPECT_GT(method.counts().hashes, 0u);
  }
  EXPECT_EQ(answered, kThreads * kChecks);
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace sb::auth
