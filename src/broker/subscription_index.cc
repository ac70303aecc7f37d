// SPDX-License-Identifier: MIT
#include "broker/subscription_index.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <random>

#include "model/topic.h"

namespace sb::broker {
namespace {

std::uint32_t hash_level(std::string_view level) {
  return static_cast<std::uint32_t>(hash_bytes(level) * 0x9E3779B97F4A7C15ull >> 32);
}

}  // namespace

/// Children of a node: open addressing, linear probing. Readers probe while the writer inserts; a removed child leaves
/// a tombstone; a full table is replaced by a larger one.
struct SubscriptionIndex::Table {
  std::uint32_t capacity = 0;  // power of two
  std::uint32_t used = 0;      // places that are not empty, tombstones too
  std::uint32_t live = 0;
  std::unique_ptr<std::atomic<Node*>[]> places;
};

/// One level of one or more filters. Its name stands behind it in memory.
struct SubscriptionIndex::Node {
  Node* parent = nullptr;
  std::atomic<Table*> children{nullptr};
  ReceiverList receivers;
  std::atomic<std::vector<SharedGroupPtr>*> groups{nullptr};
  std::atomic<std::uint64_t> log{0};
  std::uint32_t hash = 0;
  std::uint32_t length = 0;

  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), length}; }

  static Node* make(Node* parent, std::string_view name) {
    void* p = ::operator new(sizeof(Node) + name.size());
    Node* n = new (p) Node;
    n->parent = parent;
    n->hash = hash_level(name);
    n->length = static_cast<std::uint32_t>(name.size());
    if (!name.empty()) std::memcpy(reinterpret_cast<char*>(n + 1), name.data(), name.size());
    return n;
  }
  static void free(Node* n) {
    delete n->children.load(std::memory_order_relaxed);
    delete n->groups.load(std::memory_order_relaxed);
    n->~Node();
    ::operator delete(n);
  }
  bool idle() const {
    Table* t = children.load(std::memory_order_relaxed);
    return (!t || t->live == 0) && receivers.empty() && !groups.load(std::memory_order_relaxed) &&
           log.load(std::memory_order_relaxed) == 0;
  }
  static Node* tombstone() { return reinterpret_cast<Node*>(1); }
};

// ---------------------------------------------------------------- shared groups

bool SharedGroup::pick(SharedStrategy how, std::uint64_t topic_hash, const ClientKey* not_this, Subscriber& out) {
  std::uint32_t n = members.slots();
  ReceiverList::Entry* best = nullptr;
  ReceiverList::Entry* avoided = nullptr;
  std::uint64_t member = 0, avoid = not_this ? not_this->packed() : 0;
  for (;;) {
    std::uint32_t start = start_at(how, topic_hash, n), taken = start;
    for (std::uint32_t i = 0; i < n; ++i) {
      ReceiverList::Entry* e = members.at((start + i) % n);
      std::uint64_t who = e ? e->key.load(std::memory_order_relaxed) : 0;
      if (!who) continue;
      if (who == avoid) {
        avoided = e;
        continue;
      }
      if (best && best->load.load(std::memory_order_relaxed) <= e->load.load(std::memory_order_relaxed)) continue;
      best = e;
      member = who;
      taken = start + i;
      if (how != SharedStrategy::least_inflight) break;
    }
    // The turn goes on behind the one that was taken, so that those who left holes leave nobody a larger share.
    if (how == SharedStrategy::round_robin || how == SharedStrategy::least_inflight)
      turn_.store((taken + 1) % std::max(n, 1u), std::memory_order_relaxed);
    if (best) break;
    if (avoided) {
      best = avoided;
      member = avoid;
      break;
    }
    std::uint32_t now = members.slots();
    if (now == n) return false;
    n = now;  // the only one was replaced meanwhile
  }
  if (how == SharedStrategy::least_inflight) best->load.fetch_add(1, std::memory_order_relaxed);
  out = ReceiverList::subscriber(*best, member);
  return true;
}

/// Where looking for a member begins.
std::uint32_t SharedGroup::start_at(SharedStrategy how, std::uint64_t topic_hash, std::uint32_t n) {
  thread_local std::minstd_rand rng{std::random_device{}()};
  switch (how) {
    case SharedStrategy::hash:
      return static_cast<std::uint32_t>(topic_hash >> 32 ^ topic_hash);
    case SharedStrategy::random:
      for (std::uint32_t tries = 0; n > 0; ++tries) {  // at most half of a list are holes
        auto i = static_cast<std::uint32_t>(rng() % n);
        if (tries == 64 || members.at(i)) return i;
      }
      return 0;
    default:
      return turn_.load(std::memory_order_relaxed);
  }
}

void SharedGroup::done(ClientKey member) {
  std::uint64_t packed = member.packed();
  for (std::uint32_t i = 0, n = members.slots(); i < n; ++i)
    if (auto* e = members.at(i); e && e->key.load(std::memory_order_relaxed) == packed) {
      std::uint16_t v = e->load.load(std::memory_order_relaxed);
      while (v > 0 && !e->load.compare_exchange_weak(v, static_cast<std::uint16_t>(v - 1), std::memory_order_relaxed)) {
      }
      return;
    }
}

// ---------------------------------------------------------------- the tree

SubscriptionIndex::SubscriptionIndex() : root_(Node::make(nullptr, {})) {}

SubscriptionIndex::~SubscriptionIndex() {
  for (auto& c : recent_) delete c.load(std::memory_order_relaxed);
  destroy(root_);
}

void SubscriptionIndex::destroy(Node* n) {
  if (Table* t = n->children.load(std::memory_order_relaxed))
    for (std::uint32_t i = 0; i < t->capacity; ++i) {
      Node* c = t->places[i].load(std::memory_order_relaxed);
      if (c && c != Node::tombstone()) destroy(c);
    }
  Node::free(n);
}

SubscriptionIndex::Node* SubscriptionIndex::child(const Node* n, std::string_view level) const {
  const Table* t = n->children.load(std::memory_order_acquire);
  if (!t) return nullptr;
  std::uint32_t h = hash_level(level);
  for (std::uint32_t i = h & (t->capacity - 1);; i = (i + 1) & (t->capacity - 1)) {
    Node* c = t->places[i].load(std::memory_order_acquire);
    if (!c) return nullptr;
    if (c != Node::tombstone() && c->hash == h && c->name() == level) return c;
  }
}

SubscriptionIndex::Node* SubscriptionIndex::add_child(Node* n, std::string_view level) {
  Table* t = n->children.load(std::memory_order_relaxed);
  if (!t || (t->used + 1) * 4 > t->capacity * 3) {
    auto* wider = new Table;
    wider->capacity = 2;
    while (wider->capacity * 3 < ((t ? t->live : 0) + 1) * 4 + 2) wider->capacity *= 2;
    wider->places = std::make_unique<std::atomic<Node*>[]>(wider->capacity);
    for (std::uint32_t i = 0; t && i < t->capacity; ++i) {
      Node* c = t->places[i].load(std::memory_order_relaxed);
      if (!c || c == Node::tombstone()) continue;
      std::uint32_t k = c->hash & (wider->capacity - 1);
      while (wider->places[k].load(std::memory_order_relaxed)) k = (k + 1) & (wider->capacity - 1);
      wider->places[k].store(c, std::memory_order_relaxed);
      ++wider->used;
      ++wider->live;
    }
    n->children.store(wider, std::memory_order_release);
    if (t) rcu_.retire([t] { delete t; });
    t = wider;
  }
  Node* c = Node::make(n, level);
  std::uint32_t i = c->hash & (t->capacity - 1);
  while (t->places[i].load(std::memory_order_relaxed)) i = (i + 1) & (t->capacity - 1);
  t->places[i].store(c, std::memory_order_release);
  ++t->used;
  ++t->live;
  nodes_.fetch_add(1, std::memory_order_relaxed);
  return c;
}

SubscriptionIndex::Node* SubscriptionIndex::find(std::string_view filter) const {
  Node* n = root_;
  for (model::Levels l(filter); n && !l.done(); l.next()) n = child(n, l.level());
  return n;
}

SubscriptionIndex::Node* SubscriptionIndex::find_or_make(std::string_view filter) {
  Node* n = root_;
  for (model::Levels l(filter); !l.done(); l.next()) {
    Node* c = child(n, l.level());
    n = c ? c : add_child(n, l.level());
  }
  return n;
}

/// Takes a node out that leads to nothing, and its ancestors likewise.
void SubscriptionIndex::prune(Node* n) {
  while (n != root_ && n->idle()) {
    Node* parent = n->parent;
    Table* t = parent->children.load(std::memory_order_relaxed);
    std::uint32_t i = n->hash & (t->capacity - 1);
    while (t->places[i].load(std::memory_order_relaxed) != n) i = (i + 1) & (t->capacity - 1);
    t->places[i].store(Node::tombstone(), std::memory_order_release);
    if (--t->live == 0) {
      parent->children.store(nullptr, std::memory_order_release);
      rcu_.retire([t] { delete t; });
    }
    nodes_.fetch_sub(1, std::memory_order_relaxed);
    rcu_.retire([n] { Node::free(n); });
    n = parent;
  }
}

/// Publishes that what `filter` matches has changed. Last step of every change.
void SubscriptionIndex::note(std::string_view filter) {
  std::uint64_t v = version_.load(std::memory_order_relaxed) + 1;
  Change* old = recent_[v % kRecent].exchange(new Change{v, std::string(filter)}, std::memory_order_acq_rel);
  if (old) rcu_.retire([old] { delete old; });
  version_.store(v, std::memory_order_release);
}

void SubscriptionIndex::add(std::string_view filter, const Subscriber& s) {
  std::lock_guard lock(writers_);
  Node* n = find_or_make(filter);
  n->receivers.add(s, rcu_);
  note(filter);
}

bool SubscriptionIndex::remove(std::string_view filter, ClientKey client) {
  std::lock_guard lock(writers_);
  Node* n = find(filter);
  if (!n || !n->receivers.remove(client, rcu_)) return false;
  if (n->receivers.empty()) prune(n);
  note(filter);
  return true;
}

SharedGroupPtr SubscriptionIndex::find_or_make_group(Node* n, std::string_view group, std::string_view filter) {
  auto* groups = n->groups.load(std::memory_order_relaxed);
  if (groups)
    for (auto& known : *groups)
      if (known->name == group) return known;
  SharedGroupPtr g = new SharedGroup(std::string(group), std::string(filter), next_group_++);
  auto* more = groups ? new std::vector<SharedGroupPtr>(*groups) : new std::vector<SharedGroupPtr>;
  more->push_back(g);
  n->groups.store(more, std::memory_order_release);
  if (groups) rcu_.retire([groups] { delete groups; });
  return g;
}

/// A group without members and without a log goes.
void SubscriptionIndex::drop_idle_group(Node* n, const SharedGroupPtr& g) {
  if (g->members.size() > 0 || g->log.load(std::memory_order_relaxed)) return;
  auto* groups = n->groups.load(std::memory_order_relaxed);
  std::vector<SharedGroupPtr>* fewer = nullptr;
  if (groups->size() > 1) {
    fewer = new std::vector<SharedGroupPtr>(*groups);
    std::erase(*fewer, g);
  }
  n->groups.store(fewer, std::memory_order_release);
  rcu_.retire([groups] { delete groups; });
  prune(n);
}

SharedGroupPtr SubscriptionIndex::add_shared(std::string_view group, std::string_view filter, const Subscriber& s) {
  std::lock_guard lock(writers_);
  SharedGroupPtr g = find_or_make_group(find_or_make(filter), group, filter);
  g->members.add(s, rcu_);
  note(filter);
  return g;
}

bool SubscriptionIndex::remove_shared(std::string_view group, std::string_view filter, ClientKey client) {
  std::lock_guard lock(writers_);
  Node* n = find(filter);
  auto* groups = n ? n->groups.load(std::memory_order_relaxed) : nullptr;
  if (!groups) return false;
  for (auto& known : *groups) {
    if (known->name != group) continue;
    SharedGroupPtr g = known;
    if (!g->members.remove(client, rcu_)) return false;
    drop_idle_group(n, g);
    note(filter);
    return true;
  }
  return false;
}

SharedGroupPtr SubscriptionIndex::set_shared_log(std::string_view group, std::string_view filter, std::uint64_t log) {
  std::lock_guard lock(writers_);
  Node* n = find_or_make(filter);
  SharedGroupPtr g = find_or_make_group(n, group, filter);
  g->log.store(log, std::memory_order_release);
  drop_idle_group(n, g);
  note(filter);
  return g;
}

void SubscriptionIndex::set_log(std::string_view filter, std::uint64_t log) {
  std::lock_guard lock(writers_);
  Node* n = log ? find_or_make(filter) : find(filter);
  if (!n) return;
  n->log.store(log, std::memory_order_release);
  if (!log) prune(n);
  note(filter);
}

// ---------------------------------------------------------------- reading

void SubscriptionIndex::collect(const Node* n, Matches& out) const {
  if (!n->receivers.empty()) {
    ++out.lists;
    n->receivers.for_each([&](const Subscriber& s) { out.subscribers.push_back(s); });
  }
  if (std::uint64_t log = n->log.load(std::memory_order_acquire)) out.logs.push_back(log);
  if (const auto* groups = n->groups.load(std::memory_order_acquire))
    for (auto& g : *groups) {
      std::uint64_t through = g->log.load(std::memory_order_acquire);
      if (through) out.logs.push_back(through);
      out.groups.push_back({g, through != 0});
    }
}

/// `rest`: the topic's levels below `n`; `done`: there are none.
void SubscriptionIndex::walk(const Node* n, std::string_view rest, bool done, Matches& out) const {
  // `#` matches the parent level too [MQTT5 4.7.1.2]; neither wildcard matches a topic that begins with $
  // [MQTT-4.7.2-1].
  bool wildcards = n != root_ || rest.empty() || rest.front() != '$';
  if (wildcards)
    if (const Node* c = child(n, "#")) collect(c, out);
  if (done) return collect(n, out);
  std::size_t slash = rest.find('/');
  std::string_view level = rest.substr(0, slash);
  bool last = slash == std::string_view::npos;
  std::string_view below = last ? std::string_view() : rest.substr(slash + 1);
  if (const Node* c = child(n, level)) walk(c, below, last, out);
  if (wildcards)
    if (const Node* c = child(n, "+")) walk(c, below, last, out);
}

void SubscriptionIndex::match(std::size_t reader, std::string_view topic, Matches& out) const {
  Rcu::Guard guard(rcu_, reader);
  walk(root_, topic, false, out);
}

bool SubscriptionIndex::changed(std::size_t reader, std::string_view topic, std::uint64_t since,
                                std::uint64_t until) const {
  if (until - since >= kRecent) return true;
  Rcu::Guard guard(rcu_, reader);
  for (std::uint64_t v = since + 1; v <= until; ++v) {
    const Change* c = recent_[v % kRecent].load(std::memory_order_acquire);
    if (!c || c->version != v || model::matches(c->filter, topic)) return true;
  }
  return false;
}

}  // namespace sb::broker
