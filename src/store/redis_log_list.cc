// SPDX-License-Identifier: MIT
#include "store/redis_log_list.h"

#include <utility>

#include "store/redis_log_scripts.h"

namespace sb::store {

struct LogList::Changes final : redis::Batch {
  struct Change {
    bool begins;
    std::string filter;
    std::uint64_t incarnation;
    Done done;
    std::uint64_t listed = 0;
  };
  std::vector<Change> all;
};

LogList::LogList(redis::Writer& writer, std::string key) : Target(writer, std::move(key)) {}
LogList::~LogList() = default;

LogList::Changes& LogList::open() {
  if (!waiting_) waiting_ = std::make_unique<Changes>();
  ready();
  return *waiting_;
}

void LogList::begin(std::string filter, std::uint64_t incarnation, Done done) {
  open().all.push_back({true, std::move(filter), incarnation, std::move(done)});
}

void LogList::end(std::string filter, std::uint64_t incarnation) {
  open().all.push_back({false, std::move(filter), incarnation, nullptr});
}

std::unique_ptr<redis::Batch> LogList::next() {
  if (!waiting_) return nullptr;
  waiting_->bytes = sizeof(Changes);
  for (auto& c : waiting_->all) waiting_->bytes += sizeof c + c.filter.size();
  return std::move(waiting_);
}

void LogList::encode(const redis::Batch& b, Sending, redis::Words& out) {
  out.add("EVALSHA").add(log_scripts::list->sha).add("1").add(key());
  for (auto& c : static_cast<const Changes&>(b).all) out.add(c.begins ? "b" : "e").add(c.filter).number(c.incarnation);
}

LogList::Taken LogList::answered(redis::Batch& b, redis::Outcome& o) {
  if (!o.done()) return Taken::repair;
  auto change = static_cast<Changes&>(b).all.begin();
  for (auto n : o.value())
    if (change != static_cast<Changes&>(b).all.end())
      (change++)->listed = static_cast<std::uint64_t>(n.integer().value_or(0));
  return Taken::yes;
}

void LogList::confirmed(redis::Batch& b) {
  for (auto& c : static_cast<Changes&>(b).all)
    if (auto done = std::exchange(c.done, nullptr)) done(c.listed);
}

}  // namespace sb::store
