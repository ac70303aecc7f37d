// SPDX-License-Identifier: MIT
#pragma once
#include "auth/rights_keeper.h"

namespace sb::auth {

/// Where a keeper gives everybody rights when coming in, nobody has others by name. Who is away is asked about.
class AskedRights final : public ports::Authorizer {
 public:
  explicit AskedRights(RightsKeeper& keeper) : keeper_(keeper) {}

  ports::RightsPtr rights(const ports::Subject&) override { return DocumentRights::nothing(); }
  void ask(const ports::Subject& who, Done done) override { keeper_.ask(who, std::move(done)); }

 private:
  RightsKeeper& keeper_;
};

}  // namespace sb::auth
