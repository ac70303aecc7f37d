// SPDX-License-Identifier: MIT
#pragma once
#include "store/tests/implementations.h"

namespace sb::store::test {

using model::OutboundState;
using model::Position;
using model::SessionRecord;
using ports::errc;
using ports::SessionChange;
using Claim = ports::SessionStore::Claim;
using Claimed = ports::SessionStore::Claimed;
using Due = ports::SessionStore::Due;

inline const WallTime kStart{Seconds(2'000'000'000)};
inline WallTime at(long seconds) { return kStart + Seconds(seconds); }

class SessionContract : public Contract {
 protected:
  Claimed claim(std::string id, bool clean = false, bool durable = true, WallTime now = kStart,
                std::string_view will = {}) {
    Claim c;
    c.client_id = std::move(id);
    c.username = "user";
    c.clean = clean;
    c.durable = durable;
    c.expiry = durable ? 100 : 0;
    c.now = now;
    if (!will.empty()) c.will.message = message("will", will);
    return ask<Claimed>([&](auto done) { sessions().claim(std::move(c), done); }).value();
  }
  error_code change(const std::string& id, std::uint64_t epoch, SessionChange c) {
    auto r = ask<void>([&](auto done) { sessions().change(id, epoch, std::move(c), done); });
    return r ? error_code{} : r.error();
  }
  error_code end(const std::string& id, std::uint64_t epoch) {
    auto r = ask<void>([&](auto done) { sessions().end(id, epoch, done); });
    return r ? error_code{} : r.error();
  }
  error_code leave(const std::string& id, std::uint64_t epoch, WallTime expires, WallTime will_due = kNoExpiry) {
    SessionChange c;
    c.left = {expires, will_due};
    return change(id, epoch, std::move(c));
  }
  /// What is due, e.g. "c ended; d will=gone".
  std::string due(WallTime now) {
    auto all = ask<std::vector<Due>>([&](auto done) { sessions().take_due(now, done); });
    std::string s;
    for (auto& d : all.value()) {
      if (!s.empty()) s += "; ";
      s += d.client_id;
      if (d.will.record.message) s += " will=" + payload(d.will.record.message);
      if (d.ended) s += " ended";
    }
    return s;
  }
  static std::string payload(const model::MessagePtr& m) { return m ? std::string(m->view().payload) : "none"; }
  static model::SubscriptionRecord subscription(std::string filter, bool logged, Position next = {}) {
    model::SubscriptionRecord s;
    s.filter = std::move(filter);
    s.logged = logged;
    s.next = next;
    return s;
  }
};

}  // namespace sb::store::test
