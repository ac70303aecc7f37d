// SPDX-License-Identifier: MIT
// What bench/cluster compares with: two nodes that pass each message on as one PUBLISH of Redis, as brokers do whose
// cluster is a Redis Pub/Sub channel. Speaks as much MQTT 3.1.1 as a load generator needs (exact topics, QoS 0 and 1);
// its writes are gathered, so what a message costs more than with Signalbox is Pub/Sub's.
//
//   g++ -std=c++20 -O2 -o pubsub_forwarder bench/pubsub_forwarder.cc -lhiredis
//   pubsub_forwarder PORT REDIS_PORT OWN_CHANNEL OTHER_CHANNEL
#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using std::string_literals::operator""s;

int epoll;

struct Link {
  int fd = -1;
  std::string in, out;
  bool dirty = false;
  std::uint16_t last_id = 0;
};

std::vector<Link*> dirty;

void send(Link& l, std::string_view bytes) {
  l.out += bytes;
  if (!std::exchange(l.dirty, true)) dirty.push_back(&l);
}

/// What the kernel does not take waits for EPOLLOUT.
void flush(Link& l) {
  l.dirty = false;
  if (l.fd < 0) return;
  const ssize_t n = ::send(l.fd, l.out.data(), l.out.size(), MSG_NOSIGNAL);
  if (n > 0) l.out.erase(0, static_cast<std::size_t>(n));
}

/// False at its end.
bool receive(Link& l) {
  char buffer[65536];
  const ssize_t n = ::recv(l.fd, buffer, sizeof buffer, 0);
  if (n > 0) l.in.append(buffer, static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

Link* add(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  Link* l = new Link{.fd = fd, .in = {}, .out = {}};
  epoll_event e{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = l}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
  return l;
}

int open_socket(std::uint16_t port, bool listens) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* address = reinterpret_cast<sockaddr*>(&a);
  if (listens ? bind(fd, address, sizeof a) || listen(fd, 4096) : connect(fd, address, sizeof a)) {
    perror("socket");
    std::exit(1);
  }
  return fd;
}

std::string command(std::initializer_list<std::string_view> words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (auto w : words) (((out += '$') += std::to_string(w.size())) += "\r\n").append(w) += "\r\n";
  return out;
}

std::string own;
Link *writer, *reader;
std::deque<std::pair<Link*, std::uint16_t>> publishing;  ///< packet id 0: QoS 0
std::unordered_map<std::string, std::vector<Link*>> subscribers;

std::uint16_t number(std::string_view s, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(s[at]) << 8 | static_cast<unsigned char>(s[at + 1]));
}

void packet(Link& from, std::uint8_t head, std::string_view body, std::string_view whole) {
  const std::uint8_t type = head >> 4, qos = head >> 1 & 3;
  if (type == 1) return send(from, "\x20\x02\x00\x00"s);
  if (type == 12) return send(from, "\xd0\x00"s);
  if (type == 8) {
    const std::size_t length = number(body, 2);
    subscribers[std::string(body.substr(4, length))].push_back(&from);
    std::string ack = "\x90\x03"s;
    ack.append(body.substr(0, 2)) += body[4 + length];
    return send(from, ack);
  }
  if (type != 3) return;
  publishing.emplace_back(&from, qos > 0 ? number(body, 2u + number(body, 0)) : 0);
  send(*writer, command({"PUBLISH", own, whole}));
}

/// Packets that are complete.
void packets(Link& l) {
  std::size_t at = 0;
  const std::string_view in = l.in;
  while (in.size() - at >= 2) {
    std::size_t length = 0, n = 1;
    unsigned shift = 0;
    bool more = true;
    for (; more && at + n < in.size(); ++n, shift += 7) {
      const auto byte = static_cast<unsigned char>(in[at + n]);
      length |= static_cast<std::size_t>(byte & 127) << shift;
      more = byte & 128;
    }
    if (more || in.size() - at < n + length) break;
    packet(l, static_cast<std::uint8_t>(in[at]), in.substr(at + n, length), in.substr(at, n + length));
    at += n + length;
  }
  l.in.erase(0, at);
}

/// A frame of the other node, to those who have subscribed here.
void deliver(std::string_view frame) {
  std::size_t at = 1;
  while (static_cast<unsigned char>(frame[at++]) & 128) {
  }
  const std::size_t length = number(frame, at);
  const auto it = subscribers.find(std::string(frame.substr(at + 2, length)));
  if (it == subscribers.end()) return;
  for (Link* l : it->second) {
    if ((frame[0] >> 1 & 3) == 0) {
      send(*l, frame);
      continue;
    }
    std::string own_frame(frame);
    if (++l->last_id == 0) l->last_id = 1;
    own_frame[at + 2 + length] = static_cast<char>(l->last_id >> 8);
    own_frame[at + 3 + length] = static_cast<char>(l->last_id & 255);
    send(*l, own_frame);
  }
}

void replies(Link& l, redisReader* parser) {
  redisReaderFeed(parser, l.in.data(), l.in.size());
  l.in.clear();
  void* got = nullptr;
  while (redisReaderGetReply(parser, &got) == REDIS_OK && got) {
    auto* r = static_cast<redisReply*>(got);
    if (&l == writer) {
      const auto [to, id] = publishing.front();
      publishing.pop_front();
      if (id) send(*to, {"\x40\x02"s + static_cast<char>(id >> 8) + static_cast<char>(id & 255)});
    } else if (r->type == REDIS_REPLY_ARRAY && r->elements == 3 && r->element[2]->str) {
      deliver({r->element[2]->str, r->element[2]->len});
    }
    freeReplyObject(r);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return std::fputs("pubsub_forwarder PORT REDIS_PORT OWN_CHANNEL OTHER_CHANNEL\n", stderr), 2;
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1])),
             redis = static_cast<std::uint16_t>(std::atoi(argv[2]));
  own = argv[3];
  epoll = epoll_create1(EPOLL_CLOEXEC);
  writer = add(open_socket(redis, false));
  reader = add(open_socket(redis, false));
  send(*reader, command({"SUBSCRIBE", argv[4]}));
  flush(*reader);
  const int listener = open_socket(port, true);
  epoll_event e{.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
  // hiredis's own functions for redisReply
  std::unique_ptr<redisContext, void (*)(redisContext*)> of_writer(redisConnect("127.0.0.1", redis), redisFree);
  std::unique_ptr<redisContext, void (*)(redisContext*)> of_reader(redisConnect("127.0.0.1", redis), redisFree);
  for (;;) {
    epoll_event events[512];
    const int n = epoll_wait(epoll, events, 512, -1);
    for (int i = 0; i < n; ++i) {
      auto* l = static_cast<Link*>(events[i].data.ptr);
      if (!l) {
        if (const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); fd >= 0) add(fd);
        continue;
      }
      if (events[i].events & EPOLLOUT && !l->out.empty()) flush(*l);
      while (l->fd >= 0 && events[i].events & EPOLLIN) {
        const std::size_t before = l->in.size();
        if (!receive(*l)) {
          if (l == writer || l == reader) return 1;
          for (auto& [topic, links] : subscribers) std::erase(links, l);
          close(std::exchange(l->fd, -1));  // it stays: what is being published may still refer to it
          break;
        }
        if (l->in.size() == before) break;
        if (l == writer)
          replies(*l, of_writer->reader);
        else if (l == reader)
          replies(*l, of_reader->reader);
        else
          packets(*l);
      }
    }
    for (std::size_t i = 0; i < dirty.size(); ++i) flush(*dirty[i]);
    dirty.clear();
  }
}
