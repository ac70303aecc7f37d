// SPDX-License-Identifier: MIT
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/cluster_control.h"
#include "app/cluster_node.h"
#include "http/control_thread.h"

namespace sb::app {

/// Between the control thread, where operators ask, and the store thread, where the bus is. Its questions are answered
/// even when the store thread hangs: as silence.
class BusLink final : public PeerBus {
 public:
  using Reply = std::function<void(std::string)>;
  using Serve = std::function<void(const std::string& kind, const std::string& body, Reply reply)>;

  /// `store`: the loop of the cluster's thread.
  BusLink(http::ControlThread& control, io::EventLoop& store, ClusterNode& cluster);
  ~BusLink();
  /// Before the store thread starts: what answers other nodes, on the control thread, once for each question.
  void serve_with(Serve serve);
  /// Any thread but these two, once, while both run: from then on nobody is asked, others hear that the node ends, and
  /// nothing of this is used any more. Waits for what is being answered, half a second at most.
  void close();

  // --- PeerBus
  std::vector<std::string> others() const override { return cluster_.others(); }
  void ask(const std::string& node, const std::string& kind, std::string body, cluster::Requests::Done done) override;

 private:
  static constexpr Millis kHung = cluster::Requests::kTime + Millis(1000);
  using Heard = cluster::Requests::Answers;
  struct Question {
    std::vector<std::string> nodes;
    std::chrono::steady_clock::time_point until;
    cluster::Requests::Done done;
  };
  /// What the store thread has of this, and may have for longer than there is a control thread.
  struct Door {
    std::mutex mutex;
    BusLink* link = nullptr;  ///< null: closed
    /// Any thread: calls `f(link)` on the control thread; false when it is closed.
    template <class F>
    bool pass(F f);
  };
  void heard(std::uint64_t number, Heard answers);
  void wait();
  void give_up(bool all);
  void serve(const std::string& kind, const std::string& body, const Reply& reply);

  http::ControlThread& control_;
  io::EventLoop& store_;
  ClusterNode& cluster_;
  const std::shared_ptr<Door> door_ = std::make_shared<Door>();
  Serve serve_;
  // --- control thread
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Question> questions_;
  std::unique_ptr<boost::asio::steady_timer> timer_;
  std::size_t serving_ = 0;
  std::function<void()> closed_;  ///< to be called when nothing is served any more
};

}  // namespace sb::app
