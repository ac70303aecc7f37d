// SPDX-License-Identifier: MIT
// The index and what hangs on it while several threads use it: for the thread sanitizer, and for what must hold at any
// time.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "broker/directory.h"
#include "broker/route.h"
#include "broker/tests/filters.h"

namespace sb::broker {
namespace {

using testing::naive_match;
using testing::random_filter;
using testing::random_topic;

/// Runs all functions at once, each on a thread; `rounds` of the last one end the others.
struct Together {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  template <class F>
  void run(F f) {
    threads.emplace_back([this, f] { f(stop); });
  }
  ~Together() {
    for (auto& t : threads) t.join();
  }
};

Subscriber subscriber(std::uint16_t shard, std::uint32_t slot, std::uint32_t id) {
  Subscriber s;
  s.client = {shard, slot, 1};
  s.subscription_id = id;
  return s;
}

/// The number of a filter, which its subscribers carry as subscription id: a reader can tell whether it matches.
std::uint32_t number_of(const std::vector<std::string>& filters, const std::string& f) {
  for (std::uint32_t i = 0; i < filters.size(); ++i)
    if (filters[i] == f) return i + 1;
  return 0;
}

TEST(IndexThreads, ReadersSeeOnlyWhatMatches) {
  SubscriptionIndex index;
  std::mt19937 rng(1);
  std::vector<std::string> filters;
  while (filters.size() < 60) {
    std::string f = random_filter(rng);
    if (!number_of(filters, f)) filters.push_back(f);
  }
  // These stay: every reader has to find them at any time.
  index.add("always/+", subscriber(9, 0, 1000));
  index.add("#", subscriber(9, 1, 1001));
  constexpr int kChanges = 3000;
  std::atomic<int> writing{2};
  Together all;
  for (std::uint16_t w = 0; w < 2; ++w)
    all.run([&, w](auto& stop) {
      std::mt19937 r(w);
      for (int i = 0; i < kChanges; ++i) {
        auto n = static_cast<std::uint32_t>(r() % filters.size());
        const std::string& f = filters[n];
        std::uint32_t slot = r() % 40;
        switch (r() % 6) {
          case 0:
          case 1:
            index.add(f, subscriber(w, slot, n + 1));
            break;
          case 2:
            index.remove(f, {w, slot, 1});
            break;
          case 3:
            index.add_shared("g", f, subscriber(w, slot, n + 1));
            break;
          case 4:
            index.remove_shared("g", f, {w, slot, 1});
            break;
          case 5:
            index.set_log(f, r() % 2 ? n + 1 : 0);
            break;
        }
      }
      if (--writing == 0) stop = true;
    });
  for (std::size_t reader = 0; reader < 3; ++reader)
    all.run([&, reader](auto& stop) {
      std::mt19937 r(static_cast<unsigned>(reader) + 100);
      Matches m;
      for (int i = 0; !stop || i < 100; ++i) {
        std::string topic = i % 8 == 0 ? "always/x" : random_topic(r);
        m.clear();
        index.match(reader, topic, m);
        int always = 0;
        for (auto& s : m.subscribers) {
          if (s.client.shard == 9)
            ++always;
          else if (s.subscription_id == 0 || !naive_match(filters[s.subscription_id - 1], topic))
            ADD_FAILURE() << topic << " led to " << s.subscription_id;
        }
        if (always != (topic.starts_with("$") ? 0 : i % 8 == 0 ? 2 : 1)) ADD_FAILURE() << topic << ' ' << always;
        for (auto log : m.logs)
          if (!naive_match(filters[log - 1], topic)) ADD_FAILURE() << topic << " led to log " << log;
        for (auto& [g, logged] : m.groups) {
          if (!naive_match(g->filter, topic)) ADD_FAILURE() << topic << " led to group of " << g->filter;
          Subscriber out;
          Rcu::Guard guard(index.rcu(), reader);
          g->pick(static_cast<SharedStrategy>(i % 4), static_cast<std::uint64_t>(i), nullptr, out);
          g->done(out.client);
        }
        std::uint64_t now = index.version();
        index.changed(reader, topic, now > 40 ? now - 40 : 0, now);
      }
    });
}

TEST(IndexThreads, LongListsGrowAndShrinkUnderReaders) {
  SubscriptionIndex index;
  constexpr std::uint32_t kMost = 2000;
  for (std::uint32_t i = 0; i < 10; ++i) index.add("t", subscriber(1, i, 1));  // these stay
  Together all;
  all.run([&](auto& stop) {
    for (int round = 0; round < 4; ++round) {
      for (std::uint32_t i = 0; i < kMost; ++i) index.add("t", subscriber(0, i, i + 1));
      for (std::uint32_t i = 0; i < kMost; ++i) index.remove("t", {0, i, 1});
    }
    stop = true;
  });
  for (std::size_t reader = 0; reader < 3; ++reader)
    all.run([&, reader](auto& stop) {
      Matches m;
      do {
        m.clear();
        index.match(reader, "t", m);
        std::uint32_t stay = 0;
        for (auto& s : m.subscribers) {
          if (s.client.shard == 1)
            ++stay;
          else if (s.subscription_id != s.client.slot + 1)
            ADD_FAILURE() << "torn entry " << s.client.slot << ' ' << s.subscription_id;
        }
        if (stay != 10) ADD_FAILURE() << stay << " of those who stay";
      } while (!stop);
    });
}

TEST(IndexThreads, AReplacedSubscriptionIsThereAllTheTime) {
  SubscriptionIndex index;  // [MQTT-3.8.4-3]: "Application Messages MUST NOT be lost due to replacing the Subscription"
  index.add("t", subscriber(0, 1, 1));
  index.add_shared("g", "t", subscriber(0, 1, 1));
  Together all;
  all.run([&](auto& stop) {
    for (std::uint32_t i = 2; i < 5000; ++i) {
      index.add("t", subscriber(0, 1, i));
      index.add_shared("g", "t", subscriber(0, 1, i));
    }
    stop = true;
  });
  for (std::size_t reader = 0; reader < 2; ++reader)
    all.run([&, reader](auto& stop) {
      Matches m;
      do {
        m.clear();
        index.match(reader, "t", m);
        if (m.subscribers.empty()) ADD_FAILURE() << "the subscription was away";
        Subscriber out;
        Rcu::Guard guard(index.rcu(), reader);
        if (m.groups.size() != 1 || !m.groups[0].group->pick(SharedStrategy::round_robin, 0, nullptr, out))
          ADD_FAILURE() << "the group was empty";
      } while (!stop);
    });
}

TEST(IndexThreads, RoutesAreNeverOlderThanTheirVersion) {
  SubscriptionIndex index;
  std::atomic<std::uint32_t> done{0};  // subscribers that are in the index for good
  constexpr std::uint32_t kMost = 2000;
  Together all;
  all.run([&](auto& stop) {
    for (std::uint32_t i = 0; i < kMost; ++i) {
      index.add(i % 2 ? "t/+" : "t/x", subscriber(static_cast<std::uint16_t>(i % 3), i, i));
      done.store(i + 1, std::memory_order_release);
      if (i % 3 == 0) index.add("noise/" + std::to_string(i), subscriber(0, i, i));
    }
    stop = true;
  });
  for (std::size_t reader = 0; reader < 2; ++reader)
    all.run([&, reader](auto& stop) {
      RouteCache cache(index, reader, 3, 16);
      RoutePtr kept = cache.get("t/x");
      do {
        std::uint32_t at_least = done.load(std::memory_order_acquire);
        if (!cache.fresh(*kept)) cache.refresh(kept);
        if (kept->receivers.size() < at_least) ADD_FAILURE() << kept->receivers.size() << " of " << at_least;
        if (cache.get("t/x")->receivers.size() < at_least) ADD_FAILURE();
      } while (!stop);
      if (cache.get("t/x")->receivers.size() != kMost) ADD_FAILURE();
    });
}

TEST(IndexThreads, DirectoryGivesEachIdToOne) {
  Directory directory;
  constexpr std::uint16_t kThreads = 4;
  constexpr std::uint32_t kRounds = 5000;
  std::atomic<std::uint32_t> fresh{0}, released{0};
  {
    Together all;
    for (std::uint16_t t = 0; t < kThreads; ++t)
      all.run([&, t](auto&) {
        for (std::uint32_t i = 1; i <= kRounds; ++i) {
          std::uint64_t key = Directory::key("client-" + std::to_string(i % 7));
          ClientKey mine{t, i, 1};
          if (!directory.claim(key, mine)) ++fresh;
          if (directory.find(key) == mine) directory.release(key, mine);
          released += !directory.find(key).has_value();
        }
      });
  }
  EXPECT_GT(fresh, 0u);
}

}  // namespace
}  // namespace sb::broker
