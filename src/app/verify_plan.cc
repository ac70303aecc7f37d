// SPDX-License-Identifier: MIT
#include "app/verify_plan.h"

#include <fmt/format.h>

namespace sb::app {

std::vector<VerifySubscription> plan_subscriptions(const VerifyOptions& o, const VerifyWire& wire) {
  std::vector<VerifySubscription> all;
  for (std::uint32_t i = 0; i < o.subscribers + o.volatiles; ++i) {
    VerifySubscription s;
    s.entry = s.number = i;
    s.durable = i < o.subscribers;
    s.qos = o.qos == "mixed" ? (i / 2 % 2 == 0 ? 2 : 1) : o.qos == "1" ? 1 : 2;
    s.copies.assign(o.topics, 0);
    auto named = [&](std::uint32_t begin, std::uint32_t step) {
      for (std::uint32_t t = begin; t < o.topics; t += step) {
        s.filters.push_back(wire.topic(t));
        ++s.copies[t];
      }
    };
    std::uint32_t kind = i % 3;
    if (kind == 2) {
      named(o.topics > 1 ? i / 3 % 2 : 0, 2);
    } else {
      s.filters.push_back(wire.prefix() + (kind == 1 ? "+" : "#"));
      s.copies.assign(o.topics, 1);
    }
    if (o.overlap && kind != 2) named(0, 3);
    if (o.overlap && kind == 2) {
      s.filters.push_back(wire.prefix() + "+");
      for (auto& n : s.copies) ++n;
    }
    all.push_back(std::move(s));
  }
  for (std::uint32_t i = 0; i < o.shared; ++i) {
    VerifySubscription s;
    s.group = true;
    s.entry = o.subscribers + o.volatiles;
    s.number = i * 2 + 1;
    s.qos = o.qos == "1" ? 1 : 2;
    s.filters.push_back(fmt::format("$share/verify/{}#", wire.prefix()));
    s.copies.assign(o.topics, 1);
    all.push_back(std::move(s));
  }
  return all;
}

}  // namespace sb::app
