// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "broker/node.h"
#include "cluster/cluster.h"
#include "io/event_loop.h"
#include "store/redis_sessions.h"

namespace sb::app {

/// Publishes the wills that nodes which are no more have left behind: each once, whoever else is at it, and those of
/// volatile sessions only if their clients have not come back to another node meanwhile. docs/adr/0016. Owner: the
/// store thread.
class LeftBehind final : io::Timer {
 public:
  explicit LeftBehind(broker::Node& node) : node_(node) {}
  /// Before add(). It must outlive the loop.
  void open(io::EventLoop& loop, cluster::Cluster& cluster, store::RedisSessions& sessions);
  /// What `node` left with this epoch and those before; `done` once all of it is published.
  void add(const std::string& node, std::uint64_t epoch, std::function<void()> done);
  /// This node was buried itself: the others go on, and nobody is told.
  void drop();
  /// Of the client ids in `ids`, each with a U+0000 behind it, which are connected here: a 1 or a 0 for each.
  std::string connected(std::string_view ids) const;

 private:
  struct Dead {
    std::string node;
    std::uint64_t epoch;
    std::function<void()> done;
    std::uint64_t number;
    std::size_t published = 0, back = 0;  ///< wills, and those of clients that are back
    bool asked = false;
    MonoTime next{};
  };
  using Dues = std::vector<ports::SessionStore::Due>;
  void on_timer() override;
  void again(MonoTime at);
  void ask(Dead& d);
  void taken(std::uint64_t number, result<store::RedisSessions::LeftWills> left);
  void publish_unless_back(std::uint64_t number, Dues wills, const cluster::Requests::Answers& elsewhere);
  void publish(Dues wills);
  Dead* find(std::uint64_t number);

  broker::Node& node_;
  io::EventLoop* loop_ = nullptr;
  cluster::Cluster* cluster_ = nullptr;
  store::RedisSessions* sessions_ = nullptr;
  std::list<Dead> dead_;
  std::uint64_t last_ = 0;
};

}  // namespace sb::app
