// SPDX-License-Identifier: MIT
#include "redis/call.h"

#include <string>
#include <utility>

namespace sb::redis {
namespace {

void not_taken(const std::function<void(Outcome&)>& done, error_code why) {
  Outcome o{Outcome::Kind::not_sent, Refusal::other, nullptr, why};
  done(o);
}

/// Waits on the heap for one outcome.
class Call final : Handler {
 public:
  static void start(Connection& c, Args command, std::function<void(Outcome&)> done, Millis timeout) {
    auto* call = new Call(std::move(done));
    if (error_code e = c.command(command, *call, 0, timeout); e) {
      not_taken(call->done_, e);
      delete call;
    }
  }

 private:
  explicit Call(std::function<void(Outcome&)> done) : done_(std::move(done)) {}
  void on_outcome(Outcome& outcome, std::uint64_t) override {
    done_(outcome);
    delete this;
  }
  std::function<void(Outcome&)> done_;
};

}  // namespace

void call(Connection& c, Args command, std::function<void(Outcome&)> done, Millis timeout) {
  Call::start(c, command, std::move(done), timeout);
}

void call_script(Connection& c, const Script& script, std::vector<std::string> keys, std::vector<std::string> arguments,
                 std::function<void(Outcome&)> done, Millis timeout) {
  std::vector<std::string> words = {"EVALSHA", script.sha, std::to_string(keys.size())};
  for (auto* more : {&keys, &arguments})
    for (std::string& word : *more) words.push_back(std::move(word));
  std::vector<std::string_view> views(words.begin(), words.end());
  call(
      c, std::span<const std::string_view>(views),
      [&c, words = std::move(words), done = std::move(done), timeout](Outcome& o) {
        if (!o.refused_as(Refusal::no_script)) return done(o);
        std::vector<std::string_view> again(words.begin(), words.end());
        call(c, std::span<const std::string_view>(again), done, timeout);
      },
      timeout);
}

}  // namespace sb::redis
