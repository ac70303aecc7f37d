// SPDX-License-Identifier: MIT
#pragma once
#include "ports/authorizer.h"

namespace sb::auth {

/// Everybody may do everything but publish to `$SYS` and below, which is the broker's own voice: "Servers SHOULD
/// prevent Clients from using such Topic Names to exchange messages with other Clients" [MQTT5 4.7.2].
class AllowAll final : public ports::Authorizer {
 public:
  bool may_publish(const ports::Subject&, std::string_view topic, bool) override {
    return !topic.starts_with("$SYS") || (topic.size() > 4 && topic[4] != '/');
  }
  bool may_subscribe(const ports::Subject&, std::string_view) override { return true; }
  bool may_receive(const ports::Subject&, std::string_view) override { return true; }
  bool allows_everything() const override { return false; }
};

}  // namespace sb::auth
