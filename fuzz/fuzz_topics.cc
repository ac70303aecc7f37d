// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/subscription_index.h"
#include "broker/tests/filters.h"
#include "model/topic.h"
#include "store/memory_retained.h"

// Lines: the first byte says what to do with the rest, a filter or a topic. The index, the retained store and
// model::matches must agree with a plain reading of the specification.
namespace {

using namespace sb;
using broker::testing::naive_match;

void check(bool good) {
  if (!good) std::abort();
}

struct World {
  broker::SubscriptionIndex index;
  store::MemoryRetained retained{1000, 1 << 20};
  std::set<std::pair<std::string, std::uint32_t>> subscriptions;
  std::set<std::string> topics;

  void match(const std::string& topic) {
    broker::Matches found;
    index.match(0, topic, found);
    std::multiset<std::uint32_t> have, want;
    for (auto& s : found.subscribers) have.insert(s.client.slot);
    for (auto& [filter, slot] : subscriptions) {
      check(model::matches(filter, topic) == naive_match(filter, topic));
      if (naive_match(filter, topic)) want.insert(slot);
    }
    check(have == want);
  }
  void scan(const std::string& filter, std::size_t page) {
    std::vector<std::string> have, want;
    std::string resume;
    for (bool more = true; more;) {
      retained.match(filter, resume, page, WallTime{}, [&](auto r) {
        for (auto& m : r->messages) have.emplace_back(m->view().topic);
        resume = r->resume;
        more = !resume.empty();
        check(r->messages.size() <= page);
      });
    }
    for (auto& t : topics) {
      if (naive_match(filter, t)) want.push_back(t);
      // Nothing that matches lies between a topic that does not and where the walk goes on.
      if (naive_match(filter, t)) continue;
      std::string next = store::next_candidate(filter, t);
      for (auto& other : topics)
        if (other > t && (next.empty() || other < next)) check(!naive_match(filter, other));
    }
    std::sort(want.begin(), want.end());
    check(have == want);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  World w;
  for (int line = 0; !rest.empty() && line < 60; ++line) {
    std::size_t end = rest.find('\n');
    std::string_view text = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (text.size() < 2 || text.size() > 100) continue;
    if (text.find('\0') != std::string_view::npos) continue;  // the decoder lets none through [MQTT-1.5.4-2]
    const auto op = static_cast<std::uint8_t>(text[0]);
    const std::uint32_t slot = op >> 4;
    std::string s(text.substr(1));
    broker::Subscriber who;
    who.client = {0, slot, 1};
    if (model::is_topic_filter(s)) {
      if (op % 8 < 3) {
        if (w.subscriptions.emplace(s, slot).second) w.index.add(s, who);
      } else if (op % 8 == 3) {
        check(w.index.remove(s, who.client) == (w.subscriptions.erase({s, slot}) > 0));
      } else if (op % 8 == 4) {
        w.scan(s, 1 + slot);
      }
    }
    if (model::is_topic_name(s)) {
      model::MessageView m;
      m.topic = s;
      if (op % 8 >= 5) {
        if (op % 8 != 7) m.payload = "x";
        w.retained.set(model::Message::copy(m), [](auto) {});
        if (m.payload.empty())
          w.topics.erase(s);
        else
          w.topics.insert(s);
        check(w.retained.count() == w.topics.size());
      }
      w.match(s);
    }
  }
  for (auto& [filter, slot] : w.subscriptions) {
    w.scan(filter, 3);
    check(w.index.remove(filter, {0, slot, 1}));
  }
  check(w.index.nodes() == 0);
  return 0;
}
