// SPDX-License-Identifier: MIT
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/event_loop.h"
#include "ports/errc.h"
#include "store/embedded.h"
#include "store/tests/temp_dir.h"

namespace sb::store::test {

inline model::MessagePtr text(std::string_view topic, std::string_view payload, WallTime expires = kNoExpiry) {
  model::MessageView v;
  v.topic = topic;
  v.payload = payload;
  v.qos = 1;
  v.expires_at = expires;
  return model::Message::copy(v);
}

/// An embedded store on the loop of the test. Destroyed without stop() it ends as when its process is killed.
struct EmbeddedNode {
  explicit EmbeddedNode(EmbeddedOptions options) {
    error = open_embedded(
        options, [this](std::string_view f, ports::LogId log) { announced.emplace_back(f, log); }, backend);
    if (!error.empty()) return;
    loop.set_turn(backend.engine.get());
    backend.engine->start(loop);
  }
  ~EmbeddedNode() {
    loop.set_turn(nullptr);
    backend = {};
  }
  void stop() {
    backend.engine->stop();
    loop.set_turn(nullptr);
  }
  ports::LogStore& logs() { return *backend.logs; }
  ports::SessionStore& sessions() { return *backend.sessions; }
  ports::RetainedStore& retained() { return *backend.retained; }

  bool run_until(const std::function<bool()>& answered, Millis bound = Seconds(30)) {
    auto until = std::chrono::steady_clock::now() + bound;
    while (!answered()) {
      if (std::chrono::steady_clock::now() > until) return false;
      loop.run_once(Millis(20));
    }
    return true;
  }
  template <class T, class Ask>
  result<T> ask(Ask request) {
    std::optional<result<T>> answer;
    request([&](result<T> r) { answer.emplace(std::move(r)); });
    if (!run_until([&] { return answer.has_value(); })) {
      ADD_FAILURE() << "no answer";
      return make_error_code(ports::errc::unavailable);
    }
    return std::move(*answer);
  }
  template <class T>
  static error_code error_of(const result<T>& r) {
    return r ? error_code{} : r.error();
  }

  ports::LogStore::Joined join(std::string_view filter, std::string_view member = "m") {
    return ask<ports::LogStore::Joined>([&](auto done) { logs().join(filter, member, done); }).value();
  }
  error_code append(ports::LogId log, std::string_view payload) {
    return error_of(ask<void>([&](auto done) { logs().append({{log, text("t", payload)}}, done); }));
  }
  std::string payloads(ports::LogId log, model::Position after) {
    auto page = ask<ports::LogPage>([&](auto done) { logs().read(log, after, 1000, done); });
    if (!page) return page.error().message();
    std::string all = page->lost ? "lost " + std::to_string(page->lost) + ":" : "";
    for (auto& m : page->messages) all += (all.empty() ? "" : " ") + std::string(m.message->view().payload);
    return all;
  }
  error_code retain(std::string_view topic, std::string_view payload) {
    return error_of(ask<void>([&](auto done) { retained().set(text(topic, payload), done); }));
  }
  std::string match(std::string_view filter) {
    auto page = ask<ports::RetainedStore::Page>(
        [&](auto done) { retained().match(filter, "", 1000, WallTime(Seconds(1)), done); });
    if (!page) return page.error().message();
    std::string all;
    for (auto& m : page->messages)
      all += (all.empty() ? "" : " ") + std::string(m->view().topic) + "=" + std::string(m->view().payload);
    return all;
  }
  using Claimed = ports::SessionStore::Claimed;
  result<Claimed> try_claim(const std::string& id, WallTime now, std::string_view will = {}, std::uint32_t delay = 0) {
    ports::SessionStore::Claim c;
    c.client_id = id;
    c.username = "user";
    c.durable = true;
    c.expiry = 100;
    c.now = now;
    if (!will.empty()) c.will = {text("will", will), delay, 0, false};
    return ask<Claimed>([&](auto done) { sessions().claim(std::move(c), done); });
  }
  Claimed claim(const std::string& id, WallTime now, std::string_view will = {}, std::uint32_t delay = 0) {
    return try_claim(id, now, will, delay).value();
  }
  error_code change(const std::string& id, std::uint64_t epoch, ports::SessionChange c) {
    return error_of(ask<void>([&](auto done) { sessions().change(id, epoch, std::move(c), done); }));
  }
  std::string due(WallTime now) {
    auto all = ask<std::vector<ports::SessionStore::Due>>([&](auto done) { sessions().take_due(now, done); });
    if (!all) return all.error().message();
    std::string s;
    for (auto& d : *all)
      s += (s.empty() ? "" : "; ") + d.client_id +
           (d.will.record.message ? " will=" + std::string(d.will.record.message->view().payload) : "") +
           (d.ended ? " ended" : "");
    return s;
  }

  std::string error;
  std::vector<std::pair<std::string, ports::LogId>> announced;
  io::EventLoop loop;
  Backend backend;
};

}  // namespace sb::store::test
