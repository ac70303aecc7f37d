// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/control.h"
#include "app/drain.h"
#include "broker/node.h"
#include "http/control_thread.h"
#include "io/process_memory.h"
#include "net/acceptor.h"
#include "store/service.h"

namespace sb::app {

/// What operators ask of this node. It asks the shards by mail and gathers what they say; a shard that does not answer
/// in time makes the node silent. Lives on the control thread, but for set_drain_rate(); everything that it is made of
/// outlives it.
class NodeControl final : public admin::Control {
 public:
  struct Listener {
    std::string kind;
    net::Acceptor* acceptor;
  };
  struct Parts {
    http::ControlThread& thread;
    broker::Node& node;
    const store::Backend& store;
    std::string store_kind;
    Drain& drain;
    std::vector<Listener> listeners;
    std::function<admin::SharedStatus()> shared = nullptr;  ///< how it stands among others; null: it is alone
  };
  explicit NodeControl(Parts parts) : parts_(std::move(parts)), started_(std::chrono::steady_clock::now()) {}
  /// Any thread. Connections a second.
  void set_drain_rate(std::uint32_t rate) { drain_rate_ = rate; }

  const std::string& node() const override { return parts_.node.name; }
  void status(const admin::Where& where, Done<admin::NodeStatus> done) override;
  void clients(const admin::Where& where, const admin::ClientQuery& query, Done<admin::ClientPage> done) override;
  void kick(const admin::Where& where, const std::string& client_id, Done<bool> done) override;
  void drain(const admin::Where& where, bool on, Done<admin::DrainState> done) override;

 private:
  template <class T>
  bool is_elsewhere(const admin::Where& where, const Done<T>& done) const;
  template <class T>
  class Asked;
  template <class T>
  std::shared_ptr<Asked<T>> ask(Done<T> done);
  struct Listing;
  void list(const std::shared_ptr<Listing>& l);
  admin::NodeStatus status_now() const;
  admin::NodeState state() const;

  const Parts parts_;
  const std::chrono::steady_clock::time_point started_;
  const io::ProcessMemory memory_;
  std::atomic<std::uint32_t> drain_rate_{1000};
};

}  // namespace sb::app
