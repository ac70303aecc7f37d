// SPDX-License-Identifier: MIT
#include "redis/lookup.h"

#include <netdb.h>
#include <sys/un.h>

#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace sb::redis {
namespace {

std::vector<Address> unix_address(const std::string& path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.size() >= sizeof un.sun_path) return {};
  path.copy(un.sun_path, path.size());
  std::vector<Address> out(1);
  std::memcpy(&out[0].storage, &un, sizeof un);
  out[0].size = sizeof un;
  return out;
}

/// `flags`: AI_NUMERICHOST asks nobody.
std::vector<Address> addresses(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  std::vector<Address> out;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return out;
  for (addrinfo* i = found; i; i = i->ai_next) {
    Address& a = out.emplace_back();
    std::memcpy(&a.storage, i->ai_addr, i->ai_addrlen);
    a.size = i->ai_addrlen;
  }
  freeaddrinfo(found);
  return out;
}

}  // namespace

struct Lookup::Request {
  std::mutex mutex;     ///< for `loop`
  io::EventLoop* loop;  ///< null: nobody is there any more
  Lookup* owner;        ///< the loop's thread only
};

Lookup::~Lookup() {
  if (!request_) return;
  std::lock_guard lock(request_->mutex);
  request_->loop = nullptr;
  request_->owner = nullptr;
}

void Lookup::start(const Endpoint& endpoint) {
  wanted_ = true;
  if (!endpoint.unix_path.empty()) return answered(unix_address(endpoint.unix_path));
  if (auto numeric = addresses(endpoint.host, endpoint.port, AI_NUMERICHOST); !numeric.empty())
    return answered(std::move(numeric));
  if (request_) return;
  request_ = std::make_shared<Request>();
  request_->loop = &loop_;
  request_->owner = this;
  std::thread([request = request_, host = endpoint.host, port = endpoint.port] {
    auto found = addresses(host, port, 0);
    std::lock_guard lock(request->mutex);
    if (!request->loop) return;
    request->loop->post_fn([request, found = std::move(found)]() mutable {
      { std::lock_guard posted(request->mutex); }  // who posts may still be at it, and the loop end with this answer
      if (!request->owner) return;
      request->owner->request_ = nullptr;
      request->owner->answered(std::move(found));
    });
  }).detach();
}

void Lookup::answered(std::vector<Address> found) {
  if (std::exchange(wanted_, false)) done_(std::move(found));
}

}  // namespace sb::redis
