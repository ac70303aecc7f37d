// SPDX-License-Identifier: MIT
#include "broker/log_feeds.h"

#include <algorithm>
#include <utility>

namespace sb::broker {
namespace {

template <class Range>
auto first_behind(const Range& messages, model::Position after) {
  return std::upper_bound(messages.begin(), messages.end(), after,
                          [](const model::Position& p, const ports::StoredMessage& m) { return p < m.position; });
}

}  // namespace

/// What is missing between `after` and the first message of a page: less for a reader that had some of it.
std::uint64_t LogFeeds::lost_behind(const Page& page, model::Position after) {
  const model::Position& first = page.content.messages.front().position;
  if (page.content.lost == 0 || after == page.after || after.generation != first.generation) return page.content.lost;
  return first.offset > after.offset ? first.offset - after.offset - 1 : 0;
}

void LogFeeds::add_reader(Log log, channel::Channel* c) {
  auto& slot = feeds_[log];
  bool is_new = !slot;
  if (is_new) slot = std::make_unique<Feed>();
  slot->readers.insert(c);
  if (!is_new) {
    if (slot->attached) ready(log);
    return;
  }
  attach(log);
}

void LogFeeds::attach(Log log) {
  store_.attach(log, this, [this, log](result<model::Position> head) {
    auto it = feeds_.find(log);
    if (it == feeds_.end()) return;
    if (!head) return failed_.push_back(log);
    Feed& f = *it->second;
    f.attached = true;
    if (f.head < *head) {  // what came between an earlier attachment and this one was not told
      drop_tail(f);
    }
    if (f.tail.empty()) f.before = f.head = *head;
    ready(log);
  });
}

void LogFeeds::remove_reader(Log log, channel::Channel* c) {
  auto it = feeds_.find(log);
  if (it == feeds_.end()) return;
  auto& readers = it->second->readers;
  if (readers.erase(c) && readers.empty()) {
    store_.detach(log, this);
    kept_ -= it->second->bytes;
    feeds_.erase(it);
  }
}

model::Position LogFeeds::head(Log log) const {
  auto it = feeds_.find(log);
  return it == feeds_.end() ? model::Position{} : it->second->head;
}

void LogFeeds::on_appended(Log log, model::Position previous, const ports::StoredMessage& m) {
  auto it = feeds_.find(log);
  if (it == feeds_.end()) return;
  Feed& f = *it->second;
  if (m.position <= f.head) return;                            // from before the latest attach
  if (f.tail.empty() || f.tail.back().position != previous) {  // a hole: what is in it is read from the log
    drop_tail(f);
    f.before = previous;
  }
  f.tail.push_back(m);
  f.tail_bytes += m.message->footprint();
  keep(log, f, m.message->footprint());
  f.head = m.position;
  while (f.tail_bytes > tail_bytes_ && f.tail.size() > 1) {
    f.tail_bytes -= f.tail.front().message->footprint();
    drop(f, f.tail.front().message->footprint());
    f.before = f.tail.front().position;
    f.tail.pop_front();
  }
  if (!f.grown) {
    f.grown = true;
    grown_.push_back(log);
  }
}

void LogFeeds::deliver() {
  while (!grown_.empty()) {
    std::vector<Log> logs;
    logs.swap(grown_);
    for (Log log : logs) {
      auto it = feeds_.find(log);
      if (it != feeds_.end()) it->second->grown = false;
      ready(log);
    }
  }
  if (kept_ > all_bytes_) forget();
}

void LogFeeds::keep(Log log, Feed& f, std::size_t bytes) {
  f.bytes += bytes;
  kept_ += bytes;
  if (std::exchange(f.keeps, true)) return;
  if (keeping_.size() > 2 * feeds_.size() + 64) {  // most of them have lost their readers
    keeping_.clear();
    for (auto& [other, feed] : feeds_)
      if (feed->keeps && other != log) keeping_.push_back(other);
  }
  keeping_.push_back(log);
}

void LogFeeds::drop_tail(Feed& f) {
  drop(f, std::exchange(f.tail_bytes, 0));
  f.tail.clear();
}

void LogFeeds::drop_page(Feed& f) {
  drop(f, f.pages.front().bytes);
  f.pages.pop_front();
}

/// Too much is kept in all: log by log it goes, whoever lags behind reads it from the store.
void LogFeeds::forget() {
  for (std::size_t n = keeping_.size(); n > 0 && kept_ > all_bytes_; --n) {
    auto it = feeds_.find(keeping_.front());
    keeping_.pop_front();
    if (it == feeds_.end()) continue;
    Feed& f = *it->second;
    f.keeps = false;
    drop_tail(f);
    while (!f.pages.empty() && f.pages.front().ready) drop_page(f);
    if (f.bytes > 0) {  // a page behind one that is under way
      f.keeps = true;
      keeping_.push_back(it->first);
    }
  }
}

void LogFeeds::ready(Log log) {
  auto it = feeds_.find(log);
  if (it == feeds_.end()) return;
  auto& all = it->second->readers;
  std::vector<channel::Channel*> readers(all.begin(), all.end());  // a reader may leave while it is told
  listener_.feed_ready(log, readers);
}

void LogFeeds::retry() {
  for (Log log : std::exchange(failed_, {})) {
    auto it = feeds_.find(log);
    if (it == feeds_.end()) continue;
    if (it->second->attached)
      ready(log);
    else
      attach(log);
  }
}

LogFeeds::Next LogFeeds::next(Log log, model::Position after) {
  Next n;
  auto it = feeds_.find(log);
  if (it == feeds_.end() || !it->second->attached) return n;
  Feed& f = *it->second;
  if (after >= f.head) return n;
  if (!f.tail.empty() && after >= f.before) {
    auto m = first_behind(f.tail, after);
    if (m != f.tail.end()) n.message = &*m;
    return n;
  }
  for (auto& page : f.pages) {
    if (!page.ready || after < page.after) continue;
    auto& list = page.content.messages;
    if (list.empty()) {
      if (after != page.after) continue;
      n.skip = true;
      n.skip_to = page.content.head;
      n.lost = page.content.lost;
      return n;
    }
    if (after >= list.back().position) continue;
    n.message = &*first_behind(list, after);
    n.lost = lost_behind(page, after);
    return n;
  }
  ask(log, f, after);
  return n;
}

/// Lets pages go, oldest first, until they are within the bound of the tail cache. The newest stays.
void LogFeeds::make_room(Feed& f, const Page& newest) {
  std::size_t bytes = 0;
  for (auto& page : f.pages) bytes += page.bytes;
  while (bytes > tail_bytes_ && &f.pages.front() != &newest && f.pages.front().ready) {
    bytes -= f.pages.front().bytes;
    drop_page(f);
  }
}

void LogFeeds::ask(Log log, Feed& f, model::Position after) {
  for (auto& page : f.pages)
    if (!page.ready && page.after == after) return;  // under way
  if (f.pages.size() >= kPages) {
    if (!f.pages.front().ready) return;  // all of them under way: ready() asks again
    drop_page(f);
  }
  f.pages.push_back({after, {}, false});
  store_.read(log, after, kPage, [this, log, after](result<ports::LogPage> content) {
    auto found = feeds_.find(log);
    if (found == feeds_.end()) return;
    auto& pages = found->second->pages;
    auto page = std::find_if(pages.begin(), pages.end(), [&](Page& p) { return !p.ready && p.after == after; });
    if (page == pages.end()) return;
    // A page without what should be there must not be kept.
    if (!content || content->head <= after) {
      pages.erase(page);
      failed_.push_back(log);
      return;
    }
    page->content = std::move(*content);
    for (auto& m : page->content.messages) page->bytes += m.message->footprint();
    page->ready = true;
    keep(log, *found->second, page->bytes);
    make_room(*found->second, *page);
    ready(log);
  });
}

}  // namespace sb::broker
