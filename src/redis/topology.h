// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "io/event_loop.h"
#include "redis/options.h"
#include "redis/refusal.h"

namespace sb::redis {

/// Who is primary, and for what. One server, Sentinels and a cluster differ in how that is found out. Owner: the loop's
/// thread.
class Topology {
 public:
  class Listener {
   public:
    /// Somebody else is primary of something.
    virtual void on_topology() = 0;

   protected:
    ~Listener() = default;
  };

  virtual ~Topology() = default;
  virtual void start() = 0;
  /// Null while nobody is known. `slot`: of a cluster, else any. Valid until the next change.
  virtual const Endpoint* primary(std::uint16_t slot) const = 0;
  /// Whether it is primary of anything.
  virtual bool is_primary(const Endpoint& e) const = 0;
  /// Something speaks against what is known: ask again soon, and somebody else if possible.
  virtual void doubt() {}
  /// A server of the cluster says so.
  virtual void moved(const Redirect&) {}
};

/// `options`: of the connections to the servers that hold data.
std::unique_ptr<Topology> make_topology(io::EventLoop& loop, const Url& url, const Options& options,
                                        Topology::Listener& listener);

}  // namespace sb::redis
