// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/message.h"

namespace sb::ports {

/// Retained messages, one per topic. Answers as those of LogStore.
class RetainedStore {
 public:
  template <class T>
  using Done = std::function<void(result<T>)>;

  struct Page {
    std::vector<model::MessagePtr> messages;  ///< in the order of topics
    std::string resume;                       ///< where to go on, "" = that was all
  };

  virtual ~RetainedStore() = default;
  /// Keeps `m` for its topic; one without payload clears the topic. [MQTT-3.3.1-5] [MQTT-3.3.1-6]
  /// Refused with errc::quota when the topic is new and the store is full.
  virtual void set(model::MessagePtr m, Done<void> done) = 0;
  /// The messages whose topic matches `filter`, not expired, at most `max`; begins behind `resume`. A page may be empty
  /// and still not the last: the work of one request is bounded.
  virtual void match(std::string_view filter, std::string resume, std::size_t max, WallTime now, Done<Page> done) = 0;
  virtual std::size_t count() const = 0;
};

}  // namespace sb::ports
