// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sb::client {

/// The aliases that we set [MQTT5 3.3.2.3.4]: the first topics get one, the others none.
class OutAliases {
 public:
  struct Use {
    std::uint16_t alias = 0;  ///< 0 = none
    bool with_topic = true;   ///< the broker does not know it yet
  };
  /// A new connection: nothing is known. `limit`: aliases that may be used.
  void reset(std::uint16_t limit) {
    limit_ = limit;
    aliases_.clear();
    last_ = nullptr;
  }
  Use use(std::string_view topic) {
    if (limit_ == 0) return {};
    if (last_ && last_->first == topic) return {last_->second, false};
    auto found = aliases_.find(topic);
    if (found != aliases_.end()) {
      last_ = &*found;
      return {found->second, false};
    }
    if (aliases_.size() >= limit_) return {};
    auto alias = static_cast<std::uint16_t>(aliases_.size() + 1);
    last_ = &*aliases_.emplace(std::string(topic), alias).first;
    return {alias, true};
  }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::uint16_t, Hash, std::equal_to<>> aliases_;
  const std::pair<const std::string, std::uint16_t>* last_ = nullptr;  // publishers mostly stay on one topic
  std::uint16_t limit_ = 0;
};

/// The aliases that the broker sets on us.
class InAliases {
 public:
  void reset() { topics_.clear(); }
  /// Puts the topic in place: sets or looks up `alias`. False when the broker must not do that.
  bool resolve(std::uint16_t alias, std::uint16_t limit, std::string_view& topic) {
    if (alias == 0 || alias > limit) return false;
    if (topics_.size() < alias) topics_.resize(alias);
    std::string& known = topics_[alias - 1];
    if (!topic.empty()) known.assign(topic);
    topic = known;
    return !topic.empty();
  }

 private:
  std::vector<std::string> topics_;
};

}  // namespace sb::client
