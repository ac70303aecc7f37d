// SPDX-License-Identifier: MIT
#include "store/embedded_retained.h"

#include "base/log.h"
#include "model/topic.h"
#include "store/embedded_encoding.h"
#include "store/memory_retained.h"

namespace sb::store::embedded {

EmbeddedRetained::EmbeddedRetained(EmbeddedEngine& engine) : engine_(engine) { engine.add(*this); }

std::string EmbeddedRetained::load() {
  std::uint64_t bytes = 0;
  if (!engine_.bytes_known()) {
    std::unique_ptr<rocksdb::Iterator> it(engine_.db().NewIterator({}, engine_.family(Family::retained)));
    for (it->SeekToFirst(); it->Valid(); it->Next()) bytes += cost(view(it->key()), view(it->value()));
    if (!it->status().ok()) return it->status().ToString();
  }
  count(0, bytes, 0);
  return {};
}

void EmbeddedRetained::count(std::int64_t messages, std::uint64_t more, std::uint64_t less) {
  Counts& c = engine_.counts;
  c.retained += static_cast<std::uint64_t>(messages);
  c.retained_bytes += more - less;
  count_.store(c.retained, std::memory_order_relaxed);
}

void EmbeddedRetained::erase(std::string_view topic) {
  auto value = engine_.get(Family::retained, topic);
  if (!value) return;
  engine_.erase(Family::retained, topic);
  count(-1, 0, cost(topic, *value));
}

void EmbeddedRetained::set(model::MessagePtr m, Done<void> done) {
  if (!engine_.up()) return engine_.refuse(std::move(done));
  model::MessageView v = m->view();
  std::string_view topic = v.topic;
  v.topic = {};  // it is the key
  if (v.payload.empty()) {
    erase(topic);
  } else {
    const auto old = engine_.get(Family::retained, topic);
    const std::string value = encode(v);
    const std::uint64_t more = cost(topic, value), less = old ? cost(topic, *old) : 0;
    const model::Limits& limits = engine_.options().limits;
    // What is replaced by something smaller is always taken.
    if ((!old && engine_.counts.retained >= limits.retained_messages) ||
        (more > less && engine_.counts.retained_bytes + more - less > limits.retained_bytes))
      return engine_.answer<void>(std::move(done), make_error_code(ports::errc::quota));
    count(old ? 0 : 1, more, less);
    engine_.put(Family::retained, topic, value);
  }
  engine_.answer<void>(std::move(done), {});
}

void EmbeddedRetained::match(std::string_view filter, std::string resume, std::size_t max, WallTime now,
                             Done<Page> done) {
  if (!engine_.up()) return engine_.refuse(std::move(done));
  engine_.answer_read<Page>(std::move(done), [this, f = std::string(filter), resume = std::move(resume), max, now] {
    return read_page(f, resume, max, now);
  });
}

result<ports::RetainedStore::Page> EmbeddedRetained::read_page(const std::string& filter, const std::string& resume,
                                                               std::size_t max, WallTime now) {
  Page page;
  std::string_view prefix = literal_prefix(filter);
  // "a/#" matches "a" as well.
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  std::string begin = resume.empty() ? std::string(prefix) : resume + '\0';  // the first string behind `resume`
  std::string last = resume;
  std::vector<std::string> expired;
  std::size_t bytes = 0;
  {
    std::unique_ptr<rocksdb::Iterator> it(engine_.db().NewIterator({}, engine_.family(Family::retained)));
    it->Seek(begin);
    for (int step = 0; it->Valid() && view(it->key()).starts_with(prefix); ++step) {
      if (step == kSteps || page.messages.size() == max || bytes >= kPageBytes) {
        page.resume = last;
        break;
      }
      last = it->key().ToString();
      if (!model::matches(filter, last)) {
        std::string next = next_candidate(filter, last);
        if (next.empty()) break;
        it->Next();  // often it is the next one
        if (it->Valid() && view(it->key()) < next) it->Seek(next);
        continue;
      }
      auto m = decode_message(view(it->value()));
      if (!m) {
        log::error("store corrupt retained topic={}", log::name(last));
        return make_error_code(ports::errc::unavailable);
      }
      if (m->expired(now)) {
        expired.push_back(last);
      } else {
        m->topic = last;
        bytes += footprint(*m);
        page.messages.push_back(model::Message::copy(*m));
      }
      it->Next();
    }
    if (!it->status().ok()) engine_.fail(it->status().ToString());
  }
  for (auto& topic : expired) erase(topic);
  return page;
}

}  // namespace sb::store::embedded
