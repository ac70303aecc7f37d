// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis/tests/redis_server.h"
#include "redis/writer.h"
#include "store/lone_node.h"
#include "store/redis_retained.h"
#include "store/redis_sessions.h"

namespace sb::store::test {

inline redis::Url url_of(const redis::testing::RedisServer& s) {
  redis::Url u;
  u.hosts = {s.endpoint()};
  return u;
}

/// What the stores of a node that has Redis to itself need.
struct RedisNode {
  RedisNode(io::EventLoop& loop, const redis::Url& url, const std::string& prefix, redis::WriterOptions w = {})
      : keys(prefix), writer(loop, url, options(), std::move(w)), life(writer, keys, "node") {
    writer.start();
  }
  static redis::Options options() {
    redis::Options o;
    o.scripts = RedisSessions::scripts();
    for (auto& s : RedisRetained::scripts()) o.scripts.push_back(s);
    o.scripts.push_back(LoneNode::script());
    o.pause_max = Millis(200);
    return o;
  }
  RedisKeys keys;
  redis::Writer writer;
  LoneNode life;
};

}  // namespace sb::store::test
