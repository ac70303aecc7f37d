// SPDX-License-Identifier: MIT
// What an operator sees of clients, and does to them.
#include <algorithm>
#include <utility>

#include "broker/core.h"

namespace sb::broker {

void Node::disconnect(std::string_view client_id, mqtt::Reason reason, std::function<void(bool)> done) {
  auto k = directory.find(Directory::key(client_id));
  if (!k) return done(false);
  Core* core = cores[k->shard];
  core->loop().post_fn([core, k = *k, id = std::string(client_id), reason, done = std::move(done)] {
    done(core->disconnect(k, id, reason));
  });
}

bool Core::disconnect(ClientKey k, const std::string& client_id, mqtt::Reason reason) {
  Channel* c = find(k);
  if (!c) return false;
  const auto& e = clients_[k.slot].extra;
  const bool same = c->has_session() ? c->session().client_id == client_id : e && e->opening == client_id;
  if (!same) return false;  // two client ids with one hash
  c->shut_down(reason);
  return true;
}

void Core::list_clients(ClientList& list) {
  const std::size_t end = std::min(clients_.size(), list.next + ClientList::kPiece);
  while (list.next < end && list.limit > 0 && list.bytes < ClientList::kBytes) {
    const Client& cl = clients_[list.next++];
    if (!cl.channel || !cl.channel->up()) continue;
    Channel& c = *cl.channel;
    const session::Session& s = c.session();
    std::string peer = c.transport().peer();
    auto has = [&](std::string_view text) { return text.find(list.filter) != text.npos; };
    if (!list.filter.empty() && !has(s.client_id) && !has(s.username) && !has(peer)) continue;
    model::ClientInfo& info = list.found.emplace_back();
    info.client_id = s.client_id;
    info.username = s.username;
    info.peer = std::move(peer);
    info.version = static_cast<std::uint8_t>(c.version());
    info.durable = s.durable;
    info.since = WallTime(Seconds(cl.since));
    info.subscriptions = static_cast<std::uint32_t>(s.subscriptions().size());
    info.in_flight = s.window.count();
    list.bytes += info.client_id.size() + info.username.size() + sizeof info;
    --list.limit;
  }
  list.over = list.next >= clients_.size();
}

}  // namespace sb::broker
