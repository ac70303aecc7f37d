// SPDX-License-Identifier: MIT
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/limits.h"
#include "ports/errc.h"
#include "ports/log_store.h"
#include "ports/retained_store.h"
#include "ports/session_store.h"

/// The contract of the stores: one suite that every implementation of the ports runs (DESIGN.md). A new implementation
/// is a row in implementations().
namespace sb::store::test {

/// The three stores of one implementation as a shard sees them.
class Stores {
 public:
  /// What the implementation told about logs: a filter and the log's id, 0 when it ended.
  using Announced = std::vector<std::pair<std::string, ports::LogId>>;

  virtual ~Stores() = default;
  virtual ports::LogStore& logs() = 0;
  virtual ports::SessionStore& sessions() = 0;
  virtual ports::RetainedStore& retained() = 0;
  /// Runs whatever has to run until `answered` is true; returns false when it never comes.
  virtual bool wait(const std::function<bool()>& answered) = 0;
  /// Everything asked for up to now has been done, and every notice of it has arrived.
  virtual void settle() = 0;
  virtual Announced announced() = 0;
};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<Stores>(const model::Limits&)> make;
};
std::vector<Implementation> implementations();

class Contract : public testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override { use({}); }
  /// Begins anew with these bounds.
  void use(const model::Limits& limits) {
    stores_.reset();
    stores_ = GetParam().make(limits);
  }
  Stores& stores() { return *stores_; }
  ports::LogStore& logs() { return stores_->logs(); }
  ports::SessionStore& sessions() { return stores_->sessions(); }
  ports::RetainedStore& retained() { return stores_->retained(); }

  /// Asks and waits for the answer, which has to come exactly once.
  template <class T, class Ask>
  result<T> ask(Ask request) {
    auto answer = std::make_shared<std::optional<result<T>>>();
    auto times = std::make_shared<int>(0);
    request([answer, times](result<T> r) {
      ++*times;
      answer->emplace(std::move(r));
    });
    if (!stores_->wait([&] { return answer->has_value(); })) {
      ADD_FAILURE() << "no answer";
      return make_error_code(ports::errc::unavailable);
    }
    EXPECT_EQ(*times, 1);
    return std::move(**answer);
  }

  // --- logs
  ports::LogStore::Joined join(std::string_view filter, std::string_view member = "m") {
    return ask<ports::LogStore::Joined>([&](auto done) { logs().join(filter, member, done); }).value();
  }
  void append(std::vector<ports::LogStore::Append> batch) {
    EXPECT_TRUE(ask<void>([&](auto done) { logs().append(std::move(batch), done); }));
  }
  void append(ports::LogId log, std::string_view payload) { append({{log, message("t", payload)}}); }
  ports::LogPage read(ports::LogId log, model::Position after, std::size_t max = 1000) {
    return ask<ports::LogPage>([&](auto done) { logs().read(log, after, max, done); }).value();
  }
  static model::MessagePtr message(std::string_view topic, std::string_view payload, WallTime expires = kNoExpiry) {
    model::MessageView v;
    v.topic = topic;
    v.payload = payload;
    v.expires_at = expires;
    return model::Message::copy(v);
  }
  static std::string payloads(const ports::LogPage& page) {
    std::string all;
    for (auto& m : page.messages) all += (all.empty() ? "" : " ") + std::string(m.message->view().payload);
    return all;
  }
  /// `n` positions behind `p`.
  static model::Position behind(model::Position p, std::uint64_t n) { return {p.generation, p.offset + n}; }

 private:
  std::unique_ptr<Stores> stores_;
};

inline std::string name_of(const testing::TestParamInfo<Implementation>& info) { return info.param.name; }

}  // namespace sb::store::test
