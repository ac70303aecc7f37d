// SPDX-License-Identifier: MIT
#pragma once
#include <memory>

#include "auth/http_back_end.h"
#include "auth/rights_keeper.h"

namespace sb::auth {

/// Asks an HTTP back end what a client may do: {"client_id": "c1", "username": "ada"}, null without user name. Threads:
/// any.
class HttpRights final : public RightsSource {
 public:
  explicit HttpRights(std::unique_ptr<HttpBackEnd> back_end) : back_end_(std::move(back_end)) {}

  void ask(const ports::Subject& who, Done done) override;

 private:
  const std::unique_ptr<HttpBackEnd> back_end_;
};

}  // namespace sb::auth
