// SPDX-License-Identifier: MIT
// The retained messages that a subscription brings, as fast as the client takes them.
#include <algorithm>
#include <utility>

#include "broker/core.h"

namespace sb::broker {

using session::Subscription;

/// A filter waits once at most: the look-up that waits will find what is retained then, and send it as the subscription
/// says then.
void Core::start_scan(Channel& c, std::string filter) {
  auto& scans = extra(c.slot).scans;
  if (!scans) scans = std::make_unique<Scans>();
  if (scans->waiting.insert(filter).second) scans->order.push_back(std::move(filter));
}

void Core::cancel_scan(std::uint32_t slot, std::string_view filter) {
  auto& e = clients_[slot].extra;
  if (!e || !e->scans) return;
  e->scans->waiting.erase(filter);
  if (e->scans->current && e->scans->current->filter == filter) e->scans->current.reset();
}

/// Makes the next look-up the current one, or ends when there is none.
void Core::next_scan(Channel& c) {
  Extra& e = extra(c.slot);
  Scans& scans = *e.scans;
  scans.current.reset();
  while (!scans.order.empty()) {
    std::string filter = std::move(scans.order.front());
    scans.order.pop_front();
    if (!scans.waiting.erase(filter)) continue;  // an UNSUBSCRIBE came
    scans.current = std::make_unique<Scan>();
    scans.current->number = next_scan_++;
    scans.current->filter = std::move(filter);
    return;
  }
  e.scans.reset();
  tidy(c.slot);
}

/// A store may answer at once: what follows then goes on here, and not within the answer, however many filters wait.
void Core::scan_retained(Channel& c) {
  const ClientKey k = key(c.slot);
  const std::uint64_t outer = std::exchange(scanning_, k.packed());
  do {
    scan_again_ = false;
    scan_once(c);
  } while (scan_again_ && find(k) == &c);
  scanning_ = outer;
}

void Core::scan_once(Channel& c) {
  Client& cl = clients_[c.slot];
  if (!cl.extra || !cl.extra->scans) return;
  if (!cl.extra->scans->current) next_scan(c);
  if (!cl.extra || !cl.extra->scans) return;
  Scan& scan = *cl.extra->scans->current;
  if (scan.asked || c.session().has_waiting() || !c.has_room()) return;
  scan.asked = true;
  constexpr std::size_t kPage = 256;
  stores_.retained->match(scan.filter, scan.resume, kPage, wall,
                          [this, k = key(c.slot), number = scan.number](result<ports::RetainedStore::Page> page) {
                            retained_page(k, number, std::move(page));
                          });
}

void Core::retained_page(ClientKey k, std::uint64_t number, result<ports::RetainedStore::Page> page) {
  Channel* c = find(k);
  if (!c || !c->up()) return;
  auto& e = clients_[c->slot].extra;
  if (!e || !e->scans || !e->scans->current || e->scans->current->number != number) return;
  Scan& scan = *e->scans->current;
  scan.asked = false;
  if (!page) return touch(c->slot);  // asked again with the next tick
  bool more = false;
  Subscription* sub = c->session().find(scan.filter);
  if (sub) {
    std::span<const std::uint32_t> ids;
    if (sub->subscription_id) ids = {&sub->subscription_id, 1};
    bool stopped = false;
    for (auto& m : page->messages) {
      if (e->scans->seen_live.contains(m->view().topic)) continue;  // a newer one came live
      if (sub->restricted && !may_receive(c->session(), m->view().topic)) continue;
      if (!c->has_room() || c->session().has_waiting()) {
        stopped = true;  // it goes on behind the last one that was sent
        break;
      }
      channel::Fanout f(m, wall, scratch_);
      c->deliver(f, std::min<std::uint8_t>(m->view().qos, sub->options.qos), true, ids);
      scan.resume = m->view().topic;
    }
    more = stopped || !page->resume.empty();
    if (!stopped) scan.resume = page->resume;
  }
  if (!more) next_scan(*c);
  if (scanning_ == k.packed())
    scan_again_ = true;
  else
    scan_retained(*c);
}

}  // namespace sb::broker
