// SPDX-License-Identifier: MIT
#include "store/lone_node.h"

#include <utility>

namespace sb::store {
namespace {

constexpr Millis kSeen{5000};

const std::shared_ptr<const redis::Script>& begin_script() {
  // The epoch that was given before, if any; the time now. A repeat goes back behind nothing that was given.
  static const auto s = std::make_shared<const redis::Script>(R"(
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
local given, now = tonumber(ARGV[1]), tonumber(ARGV[2])
local seen = redis.call('GET', KEYS[2]) or ARGV[2]
local epoch = given > 0 and math.max(stored, given) or math.max(stored + 1, now)
redis.call('SET', KEYS[1], string.format('%.0f', epoch))
redis.call('SET', KEYS[2], ARGV[2])
return {string.format('%.0f', given > 0 and given or epoch), seen})");
  return s;
}

std::int64_t ms_of(WallTime t) { return t.time_since_epoch().count(); }

}  // namespace

std::shared_ptr<const redis::Script> LoneNode::script() { return begin_script(); }

/// The write that makes the epoch.
class LoneNode::Row final : public redis::Target {
 public:
  Row(LoneNode& node, std::string epoch_key)
      : Target(node.writer_, std::move(epoch_key)), node_(node), now_(node.writer_.loop().wall()) {
    set_essential();
    ready();
  }

 private:
  std::unique_ptr<redis::Batch> next() override {
    if (std::exchange(made_, true)) return nullptr;
    return std::make_unique<redis::Batch>();
  }
  void encode(const redis::Batch&, Sending, redis::Words& out) override {
    out.add("EVALSHA").add(begin_script()->sha).add("2").add(key()).add(node_.seen_key_);
    out.number(epoch_).number(static_cast<std::uint64_t>(ms_of(now_)));
  }
  Taken answered(redis::Batch&, redis::Outcome& o) override {
    if (!o.done()) return Taken::repair;
    if (epoch_ > 0) return Taken::yes;
    epoch_ = static_cast<std::uint64_t>(o.value()[0].integer().value_or(0));
    seen_ = WallTime(Millis(o.value()[1].integer().value_or(ms_of(now_))));
    return epoch_ > 0 ? Taken::yes : Taken::repair;
  }
  void confirmed(redis::Batch&) override { node_.began(epoch_, seen_); }
  void encode_last(redis::Words&) override {}

  LoneNode& node_;
  const WallTime now_;
  bool made_ = false;
  std::uint64_t epoch_ = 0;
  WallTime seen_{};
};

LoneNode::LoneNode(redis::Writer& writer, const RedisKeys& keys, std::string name, std::function<void()> ready)
    : writer_(writer), name_(std::move(name)), seen_key_(keys.node(name_, "seen")), ready_(std::move(ready)) {
  row_ = std::make_unique<Row>(*this, keys.node(name_, "epoch"));
  seen_ = std::make_unique<redis::Repeatable>(writer_, seen_key_);
}

LoneNode::~LoneNode() { writer_.loop().timers().cancel(*this); }

void LoneNode::began(std::uint64_t epoch, WallTime seen) {
  epoch_ = epoch;
  before_ = seen;
  writer_.loop().timers().set(*this, writer_.loop().now() + kSeen);
  if (auto ready = std::exchange(ready_, nullptr)) ready();
}

void LoneNode::on_timer() {
  writer_.loop().timers().set(*this, writer_.loop().now() + kSeen);
  if (writer_.trouble().empty())  // no row of them while Redis is away
    seen_->send({"SET", seen_key_, std::to_string(ms_of(writer_.loop().wall()))}, nullptr);
}

std::optional<WallTime> LoneNode::died(std::string_view node, std::uint64_t epoch) const {
  if (node == name_ && epoch >= epoch_) return {};
  return before_;
}

}  // namespace sb::store
