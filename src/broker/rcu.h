// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace sb::broker {

/// Lets many threads read a structure while one at a time changes it: what is taken out of it is freed only when no
/// reader can still see it. Readers never wait; they announce themselves for the time of one look-up.
class Rcu {
 public:
  static constexpr std::size_t kReaders = 128;  ///< threads that may read; one place each

  /// While one lives, nothing that its thread can reach is freed.
  class Guard {
   public:
    Guard(Rcu& rcu, std::size_t reader) : place_(rcu.readers_[reader].epoch) {
      place_.store(rcu.epoch_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
    }
    ~Guard() { place_.store(0, std::memory_order_release); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    std::atomic<std::uint64_t>& place_;
  };

  ~Rcu() {
    for (auto& r : retired_) r.free();
  }

  /// Writer only, after `free`'s object was unlinked.
  void retire(std::function<void()> free) {
    retired_.push_back({epoch_.fetch_add(1, std::memory_order_seq_cst) + 1, std::move(free)});
    if (retired_.size() >= collect_at_) collect();
  }
  /// Writer only: frees what nobody can see any more.
  void collect() {
    std::uint64_t oldest = UINT64_MAX;
    for (auto& r : readers_) {
      std::uint64_t e = r.epoch.load(std::memory_order_seq_cst);
      if (e != 0 && e < oldest) oldest = e;
    }
    std::size_t kept = 0;
    for (auto& r : retired_) {
      if (r.epoch <= oldest)
        r.free();
      else
        retired_[kept++] = std::move(r);
    }
    retired_.resize(kept);
    collect_at_ = kept + 64;
  }

 private:
  struct alignas(64) Reader {
    std::atomic<std::uint64_t> epoch{0};  ///< 0 = not reading
  };
  struct Retired {
    std::uint64_t epoch;
    std::function<void()> free;
  };
  std::atomic<std::uint64_t> epoch_{1};
  std::array<Reader, kReaders> readers_;
  std::vector<Retired> retired_;
  std::size_t collect_at_ = 64;
};

}  // namespace sb::broker
