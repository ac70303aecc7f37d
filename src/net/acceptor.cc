// SPDX-License-Identifier: MIT
#include "net/acceptor.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/shard.h"

namespace sb::net {
namespace {

constexpr int kBacklog = 4096;
constexpr int kPerTurn = 256;  // connections accepted before others have their turn
constexpr Millis kRetry{100};  // after the process ran out of file descriptors

error_code last_error() { return {errno, boost::system::system_category()}; }

/// A socket file that nobody listens on is left over from a process that died; one that answers is not ours to take,
/// and neither is a file that is no socket at all (connecting to it is refused too).
bool stale_socket(const sockaddr_un& a) {
  struct stat s {};
  if (::lstat(a.sun_path, &s) != 0 || !S_ISSOCK(s.st_mode)) return false;
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool stale = fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) < 0 && errno == ECONNREFUSED;
  if (fd >= 0) ::close(fd);
  return stale;
}

result<int> listen_unix(const ListenerOptions& o) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  if (o.unix_path.size() >= sizeof a.sun_path) return error_code(ENAMETOOLONG, boost::system::system_category());
  std::memcpy(a.sun_path, o.unix_path.c_str(), o.unix_path.size() + 1);
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return last_error();
  int r = ::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a);
  if (r < 0 && errno == EADDRINUSE) {
    if (stale_socket(a)) ::unlink(o.unix_path.c_str());
    r = ::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a);
  }
  if (r < 0 || ::chmod(o.unix_path.c_str(), o.unix_mode) < 0 || ::listen(fd, kBacklog) < 0) {
    error_code e = last_error();
    ::close(fd);
    return e;
  }
  return fd;
}

result<int> listen_tcp(const ListenerOptions& o, PeerAddress& address) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  if (::getaddrinfo(o.host.empty() ? nullptr : o.host.c_str(), std::to_string(o.port).c_str(), &hints, &found) != 0)
    return error_code(EADDRNOTAVAIL, boost::system::system_category());
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> free_it(found, ::freeaddrinfo);
  error_code failed(EADDRNOTAVAIL, boost::system::system_category());
  for (addrinfo* a = found; a; a = a->ai_next) {
    int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) continue;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // connections inherit it
    if (a->ai_family == AF_INET6) {
      int only_v6 = o.host == "::" ? 0 : 1;
      ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    }
    if (::bind(fd, a->ai_addr, a->ai_addrlen) < 0 || ::listen(fd, kBacklog) < 0) {
      failed = last_error();
      ::close(fd);
      continue;
    }
    sockaddr_storage mine{};
    socklen_t size = sizeof mine;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&mine), &size);
    address = PeerAddress::from(mine);
    return fd;
  }
  return failed;
}

}  // namespace

result<std::unique_ptr<Acceptor>> Acceptor::open(const ListenerOptions& o) {
  std::unique_ptr<Acceptor> a(new Acceptor(o));
  a->place_.host = o.host;
  a->place_.port = o.port;
  a->place_.unix_path = o.unix_path;
  a->place_.unix_mode = o.unix_mode;
  if (error_code e = a->listen()) return e;
  return a;
}

error_code Acceptor::listen() {
  PeerAddress mine;
  const bool tcp = place_.unix_path.empty();
  result<int> fd = tcp ? listen_tcp(place_, mine) : listen_unix(place_);
  if (!fd) return fd.error();
  fd_ = *fd;
  open_ = true;
  if (address_.empty()) address_ = tcp ? mine.text() : "unix:" + place_.unix_path;
  if (tcp) {  // the next time there, whatever a name means and a port of the system's choice would be then
    place_.host = mine.ip.text();
    place_.port = mine.port;
  }
  return {};
}

Acceptor::~Acceptor() {
  if (fd_ >= 0) shut();
}

void Acceptor::shut() {
  ::close(fd_);
  fd_ = -1;
  open_ = false;
  if (!place_.unix_path.empty()) ::unlink(place_.unix_path.c_str());
}

void Acceptor::start(Shard& home, std::vector<Shard*> shards, std::size_t bound) {
  home_ = &home;
  shards_ = std::move(shards);
  bound_ = bound;
  if (auto e = resume()) log::error("listener {} cannot be watched: {}", address_, e.message());
}

void Acceptor::close() {
  if (fd_ < 0) return;
  home_->loop().timers().cancel(*this);
  home_->loop().remove(fd_);
  shut();
}

error_code Acceptor::reopen() { return fd_ >= 0 ? error_code() : listen(); }

error_code Acceptor::resume() { return home_->loop().add(fd_, EPOLLIN, this); }

void Acceptor::refuse(int fd, const PeerAddress& peer, Counter counter, std::string_view why) {
  ::close(fd);
  (home_->core().counters.*counter).add();
  home_->refused(peer.text(), why);
}

bool Acceptor::let_in(int fd, const PeerAddress& peer) {
  switch (context_.gate->enter(peer.ip, home_->loop().wall())) {
    case Gate::Verdict::in:
      return true;
    case Gate::Verdict::too_many:
      return refuse(fd, peer, &channel::Counters::refused_address, "limits.connections_per_address"), false;
    case Gate::Verdict::banned:
      return refuse(fd, peer, &channel::Counters::refused_banned, "banned"), false;
  }
  return false;
}

/// In turn, but for shards that have notably more than the one with the fewest: otherwise one that has just shed a
/// half-open connection would get all newcomers. `all`: the connections of all of them.
Shard* Acceptor::least_loaded(std::size_t& all) {
  std::size_t least = SIZE_MAX;
  for (Shard* s : shards_) {
    all += s->load();
    least = std::min(least, s->load());
  }
  Shard* to = nullptr;
  for (std::size_t tries = 0; tries < shards_.size(); ++tries) {  // loads change meanwhile
    to = shards_[next_++ % shards_.size()];
    if (to->load() <= least + least / 32) break;
  }
  return to;
}

void Acceptor::on_events(std::uint32_t) {
  Millis again{1};
  for (int i = 0; i < kPerTurn; ++i) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    int fd = ::accept4(fd_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (log_limit_.pass()) log::error("accept failed listener={} error=\"{}\"", address_, std::strerror(errno));
      again = kRetry;
      break;
    }
    const PeerAddress peer = PeerAddress::from(from);
    std::size_t all = 0;
    Shard* to = least_loaded(all);
    if (all >= bound_) {
      refuse(fd, peer, &channel::Counters::refused_connections, "limits.connections");
      continue;
    }
    std::uint32_t mine = context_.max_connections.load(std::memory_order_relaxed);
    if (mine && context_.connections.load(std::memory_order_relaxed) >= mine) {
      refuse(fd, peer, &channel::Counters::refused_connections, "max_connections of the listener");
      continue;
    }
    // Behind a proxy it is the address in its header that counts (Connection::take_proxy).
    if (context_.proxy == ProxyMode::off && !let_in(fd, peer)) continue;
    context_.connections.fetch_add(1, std::memory_order_relaxed);
    if (to == home_)
      home_->adopt(fd, context_, peer);
    else
      to->hand_over(fd, context_, peer);
  }
  // More are waiting, or descriptors ran out: edge-triggered, so it has to come back by itself.
  home_->loop().timers().set(*this, home_->loop().now() + again);
}

}  // namespace sb::net
