// SPDX-License-Identifier: MIT
#include "app/left_behind.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "broker/core.h"

namespace sb::app {
namespace {

constexpr Millis kPause{100};  // until Redis is asked again; until this node is a member, and has shards

}  // namespace

void LeftBehind::open(io::EventLoop& loop, cluster::Cluster& cluster, store::RedisSessions& sessions) {
  loop_ = &loop;
  cluster_ = &cluster;
  sessions_ = &sessions;
}

void LeftBehind::add(const std::string& node, std::uint64_t epoch, std::function<void()> done) {
  dead_.push_back({node, epoch, std::move(done), ++last_});
  again(loop_->now());
}

void LeftBehind::drop() {
  dead_.clear();
  loop_->timers().cancel(*this);
}

void LeftBehind::again(MonoTime at) {
  if (!armed() || deadline() > at) loop_->timers().set(*this, at);
}

LeftBehind::Dead* LeftBehind::find(std::uint64_t number) {
  auto it = std::find_if(dead_.begin(), dead_.end(), [&](const Dead& d) { return d.number == number; });
  return it == dead_.end() ? nullptr : &*it;
}

void LeftBehind::on_timer() {
  // Who is no member knows neither where messages have to go nor that he may publish any.
  const bool ready = cluster_->epoch() > 0 && !node_.cores.empty();
  MonoTime next = kNever;
  for (auto& d : dead_) {
    if (d.asked) continue;
    if (!ready) d.next = std::max(d.next, loop_->now() + kPause);
    if (d.next <= loop_->now())
      ask(d);
    else
      next = std::min(next, d.next);
  }
  if (next != kNever) again(next);
}

void LeftBehind::ask(Dead& d) {
  d.asked = true;
  sessions_->take_wills(
      d.node, d.epoch, loop_->wall(),
      [this, number = d.number](result<store::RedisSessions::LeftWills> left) { taken(number, std::move(left)); });
}

void LeftBehind::taken(std::uint64_t number, result<store::RedisSessions::LeftWills> left) {
  Dead* d = find(number);
  if (!d) return;
  d->asked = false;
  const bool none = left && left->of_clients.empty() && left->of_records.empty();
  if (none && !left->more) {
    if (d->published + d->back > 0)
      log::info("cluster node={} epoch={} left wills published={} of_clients_that_are_back={}", d->node, d->epoch,
                d->published, d->back);
    auto done = std::move(d->done);
    dead_.remove_if([&](const Dead& x) { return x.number == number; });
    return done();
  }
  d->next = loop_->now() + (left && !none ? Millis(0) : kPause);
  again(d->next);
  if (!left) return;
  d->published += left->of_records.size();
  publish(std::move(left->of_records));
  if (left->of_clients.empty()) return;
  std::string ids;
  for (auto& w : left->of_clients) ids.append(w.client_id).push_back('\0');
  cluster_->ask("", "connected", ids,
                [this, number, wills = std::move(left->of_clients)](const cluster::Requests::Answers& a) mutable {
                  publish_unless_back(number, std::move(wills), a);
                });
}

/// A will that comes when its client has long been back would tell the wrong thing, and a retained one would keep doing
/// so.
void LeftBehind::publish_unless_back(std::uint64_t number, Dues wills, const cluster::Requests::Answers& elsewhere) {
  Dead* d = find(number);
  if (!d) return;
  Dues due;
  for (std::size_t i = 0; i < wills.size(); ++i) {
    bool back = node_.directory.find(broker::Directory::key(wills[i].client_id)).has_value();
    for (auto& a : elsewhere.answers) back |= i < a.body.size() && a.body[i] == '1';
    ++(back ? d->back : d->published);
    if (back)
      sessions_->fired(wills[i].will.id);
    else
      due.push_back(std::move(wills[i]));
  }
  publish(std::move(due));
}

void LeftBehind::publish(Dues wills) {
  if (wills.empty()) return;
  broker::Core* core = node_.cores.front();
  core->loop().post_fn([core, wills = std::move(wills)] { core->fire(wills); });
}

std::string LeftBehind::connected(std::string_view ids) const {
  std::string answer;
  for (std::size_t end; (end = ids.find('\0')) != ids.npos; ids.remove_prefix(end + 1))
    answer.push_back(node_.directory.find(broker::Directory::key(ids.substr(0, end))) ? '1' : '0');
  return answer;
}

}  // namespace sb::app
