// SPDX-License-Identifier: MIT
#pragma once
#include "ports/authorizer.h"

namespace sb::auth {

/// `$SYS` and below is the broker's own voice: "Servers SHOULD prevent Clients from using such Topic Names to exchange
/// messages with other Clients" [MQTT5 4.7.2].
inline bool is_brokers_own(std::string_view topic) {
  return topic.starts_with("$SYS") && (topic.size() == 4 || topic[4] == '/');
}

/// Everybody may do everything but publish what is the broker's own.
class AllowAll final : public ports::Authorizer {
 public:
  ports::RightsPtr rights(const ports::Subject&) override { return everything_; }

 private:
  struct Everything final : ports::Rights {
    bool may_publish(const ports::Subject&, std::string_view topic, bool) const override {
      return !is_brokers_own(topic);
    }
    bool may_subscribe(const ports::Subject&, std::string_view) const override { return true; }
    bool may_receive(const ports::Subject&, std::string_view) const override { return true; }
    bool may_receive_all(const ports::Subject&, std::string_view) const override { return true; }
  };
  const ports::RightsPtr everything_{new Everything};
};

}  // namespace sb::auth
