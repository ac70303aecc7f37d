// SPDX-License-Identifier: MIT
#include "store/memory_retained.h"

#include "model/topic.h"
#include "ports/errc.h"

namespace sb::store {
namespace {

/// The first string behind everything that begins with `prefix`, which ends with a slash; "" when prefix is empty.
std::string behind(std::string_view prefix) {
  if (prefix.empty()) return {};
  std::string s(prefix);
  s.back() = '/' + 1;
  return s;
}

}  // namespace

std::string_view literal_prefix(std::string_view filter) { return filter.substr(0, filter.find_first_of("+#")); }

std::string next_candidate(std::string_view filter, std::string_view topic) {
  model::Levels f(filter), t(topic);
  for (; !f.done() && !t.done(); f.next(), t.next()) {
    if (f.level() == "#" || f.level() == "+" || f.level() == t.level()) continue;
    auto at = static_cast<std::size_t>(t.level().data() - topic.data());
    std::string_view parent = topic.substr(0, at);
    std::string wanted(parent);
    wanted += f.level();
    if (wanted > topic) return wanted;
    wanted += '/';
    if (wanted > topic) return wanted;
    return behind(parent);
  }
  if (f.done() && !t.done()) {  // the topic goes deeper than the filter
    auto at = static_cast<std::size_t>(t.level().data() - topic.data());
    return behind(topic.substr(0, at));
  }
  return std::string(topic) + '\x01';  // the topic is too short: what follows may be longer
}

void MemoryRetained::set(model::MessagePtr m, Done<void> done) {
  const auto& view = m->view();
  auto it = messages_.find(std::string(view.topic));
  const bool known = it != messages_.end();
  if (view.payload.empty()) {
    if (known) erase(it);
    return done({});
  }
  const std::size_t more = cost(m), less = known ? cost(it->second) : 0;
  // What is replaced by something smaller is always taken.
  if ((!known && messages_.size() >= limit_) || (more > less && bytes_ + more - less > bytes_limit_))
    return done(make_error_code(ports::errc::quota));
  bytes_ += more - less;
  if (known)
    it->second = std::move(m);
  else
    messages_.emplace(std::string(view.topic), std::move(m));
  count_.store(messages_.size(), std::memory_order_relaxed);
  done({});
}

MemoryRetained::Messages::iterator MemoryRetained::erase(Messages::iterator it) {
  bytes_ -= cost(it->second);
  auto next = messages_.erase(it);
  count_.store(messages_.size(), std::memory_order_relaxed);
  return next;
}

void MemoryRetained::match(std::string_view filter, std::string resume, std::size_t max, WallTime now,
                           Done<Page> done) {
  constexpr int kSteps = 20000;  // of one request
  Page page;
  std::string erased;  // the last one: its place is still where this request has got to
  std::string_view prefix = literal_prefix(filter);
  // "a/#" matches "a" as well.
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  auto it = resume.empty() ? messages_.lower_bound(std::string(prefix)) : messages_.upper_bound(resume);
  for (int step = 0; it != messages_.end() && it->first.starts_with(prefix); ++step) {
    if (step == kSteps || page.messages.size() == max) {
      page.resume = it == messages_.begin() ? std::move(erased) : std::prev(it)->first;
      break;
    }
    if (it->second->view().expired(now)) {
      erased = it->first;
      it = erase(it);
    } else if (model::matches(filter, it->first)) {
      page.messages.push_back(it->second);
      ++it;
    } else {
      std::string next = next_candidate(filter, it->first);
      if (next.empty()) break;
      it = next > it->first ? messages_.lower_bound(next) : std::next(it);
    }
  }
  done(std::move(page));
}

}  // namespace sb::store
