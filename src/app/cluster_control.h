// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/control.h"
#include "cluster/requests.h"

namespace sb::app {

/// Carries questions of operators to the other nodes. Control thread.
class PeerBus {
 public:
  /// Nodes that should answer, without this one.
  virtual std::vector<std::string> others() const = 0;
  /// Asks one of them, or all (""); `done` once, later, within some seconds.
  virtual void ask(const std::string& node, const std::string& kind, std::string body,
                   cluster::Requests::Done done) = 0;

 protected:
  ~PeerBus() = default;
};

/// What operators ask of all nodes, from any of them: what this node says of itself, and over the bus what the others
/// say. Who does not answer is named, and waited for no longer than PeerBus does. What is asked of this node alone
/// needs no bus. Control thread; everything that it is made of outlives it.
class ClusterControl final : public admin::Control {
 public:
  using Clock = std::function<WallTime()>;
  ClusterControl(admin::Control& local, PeerBus& bus, Clock clock);

  const std::string& node() const override { return local_.node(); }
  void status(const admin::Where& where, Done<admin::NodeStatus> done) override;
  void clients(const admin::Where& where, const admin::ClientQuery& query, Done<admin::ClientPage> done) override;
  void kick(const admin::Where& where, const std::string& client_id, Done<bool> done) override;
  void drain(const admin::Where& where, bool on, Done<admin::DrainState> done) override;

  /// Another node asks this one. `reply` once, at once or later.
  void serve(std::string_view kind, std::string_view body, std::function<void(std::string)> reply);

 private:
  static constexpr Seconds kPageTime{1};  ///< after which no further node is asked for the same page
  static constexpr std::size_t kPageBytes = 256 * 1024;

  template <class T>
  struct Gathering;
  struct Listing;

  bool is_own(const admin::Where& where) const { return where.node == node(); }
  template <class T>
  bool is_unknown(const admin::Where& where, const Done<T>& done) const;
  void list(const std::shared_ptr<Listing>& l);
  void listed(const std::shared_ptr<Listing>& l, admin::Answers<admin::ClientPage> answers);
  void kick_elsewhere(const std::string& node, const std::string& client_id, admin::Answers<bool> so_far,
                      Done<bool> done);

  admin::Control& local_;
  PeerBus& bus_;
  const Clock clock_;
};

}  // namespace sb::app
