// SPDX-License-Identifier: MIT
#pragma once
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <functional>
#include <string_view>

namespace sb::ports {

/// Who asks for a right.
struct Subject {
  std::string_view client_id;
  std::string_view username;  ///< "" = anonymous
};

/// What a user may do, checked where it is done. Immutable, and shared by the sessions of the user, so `who` is said
/// with every question. Threads: any, at once.
class Rights : public boost::intrusive_ref_counter<Rights, boost::thread_safe_counter> {
 public:
  virtual ~Rights() = default;
  virtual bool may_publish(const Subject& who, std::string_view topic, bool retain) const = 0;
  /// `filter`: as in SUBSCRIBE, without `$share/group/`.
  virtual bool may_subscribe(const Subject& who, std::string_view filter) const = 0;
  virtual bool may_receive(const Subject& who, std::string_view topic) const = 0;
  /// True when may_receive() is sure to be true for every topic that matches the filter: then nobody asks per message.
  virtual bool may_receive_all(const Subject& who, std::string_view filter) const = 0;
};
using RightsPtr = boost::intrusive_ptr<const Rights>;

/// Gives users their rights. Threads: any; must not block.
class Authorizer {
 public:
  using Done = std::function<void(RightsPtr)>;
  virtual ~Authorizer() = default;
  /// As they are now; never null. When they change, the node has its shards ask again (Core::rights_changed).
  virtual RightsPtr rights(const Subject& who) = 0;
  /// The same for somebody who is away, where there is time to ask elsewhere. Calls `done` exactly once: before it
  /// returns, or later on any thread. `who` is for the time of the call.
  virtual void ask(const Subject& who, Done done) { done(rights(who)); }
};

}  // namespace sb::ports
