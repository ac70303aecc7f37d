// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "cluster/stats.h"

namespace sb::cluster {

/// Of requests about shared groups; what it asks is "epoch filter". All others are the management's.
inline constexpr std::string_view kGroupRequest = "group";

/// Questions to other nodes, for management: who was asked, who has answered. No I/O.
class Requests {
 public:
  static constexpr Millis kTime{2000};  ///< for an answer; a failover of Redis takes longer
  struct Answers {
    struct Answer {
      std::string node, body;
    };
    std::vector<Answer> answers;
    std::vector<std::string> missing;  ///< nodes that have not answered, or are none
  };
  using Done = std::function<void(Answers)>;

  explicit Requests(Stats& stats) : stats_(stats) {}

  /// Number of the request. With nobody asked it is done at once.
  std::uint64_t add(std::vector<std::string> asked, std::vector<std::string> missing, Done done, MonoTime now) {
    Request r;
    r.until = now + kTime;
    r.waits_for = std::move(asked);
    r.so_far.missing = std::move(missing);
    r.done = std::move(done);
    const auto it = open_.emplace(++last_, std::move(r)).first;
    finish(it);
    return last_;
  }
  void answered(const std::string& node, std::uint64_t number, std::string body) {
    const auto it = open_.find(number);
    if (it == open_.end() || std::erase(it->second.waits_for, node) == 0) return;
    it->second.so_far.answers.push_back({node, std::move(body)});
    finish(it);
  }
  void lost(const std::string& node) {
    for (auto it = open_.begin(); it != open_.end();) {
      auto next = std::next(it);
      if (std::erase(it->second.waits_for, node) > 0) {
        it->second.so_far.missing.push_back(node);
        finish(it);
      }
      it = next;
    }
  }
  void run(MonoTime now) {
    while (!open_.empty() && open_.begin()->second.until <= now) {
      Request& r = open_.begin()->second;
      stats_.late_requests.add(r.waits_for.size());
      for (auto& node : std::exchange(r.waits_for, {})) r.so_far.missing.push_back(std::move(node));
      finish(open_.begin());
    }
  }
  MonoTime next() const { return open_.empty() ? kNever : open_.begin()->second.until; }

 private:
  struct Request {
    MonoTime until;
    std::vector<std::string> waits_for;
    Answers so_far;
    Done done;
  };
  void finish(std::map<std::uint64_t, Request>::iterator it) {
    if (!it->second.waits_for.empty()) return;
    Request r = std::move(it->second);
    open_.erase(it);
    r.done(std::move(r.so_far));
  }
  Stats& stats_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Request> open_;
};

}  // namespace sb::cluster
