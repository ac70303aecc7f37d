// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redis/writer.h"

namespace sb::store {

/// Client::call() for an object that may end before the client does: then its functions are not called any more.
class RedisCalls {
 public:
  explicit RedisCalls(redis::Client& client) : client_(client) {}
  void operator()(std::vector<std::string> words, std::string_view key, Millis within,
                  std::function<void(redis::Outcome&)> done, unsigned lane) {
    client_.call(
        std::move(words), key, within,
        [alive = std::weak_ptr<char>(alive_), done = std::move(done)](redis::Outcome& o) {
          if (!alive.expired()) done(o);
        },
        lane);
  }

 private:
  redis::Client& client_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace sb::store
