// SPDX-License-Identifier: MIT
#include "cluster/scripts.h"

namespace sb::cluster {
namespace {

Scripts::Ptr script(const char* text) { return std::make_shared<const redis::Script>(text); }

}  // namespace

const Scripts& Scripts::get() {
  static const Scripts all{
      .raise = script(R"(
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
local e = tonumber(ARGV[1])
if stored > e then return stored end
if stored < e then redis.call('SET', KEYS[1], ARGV[1]) end
return e
)"),
      // An epoch that a failover forgot is written again. PEXPIRE is done even when Redis is full.
      .renew = script(R"(
local e = tonumber(ARGV[1])
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
if stored > e then return -1 end
if tonumber(redis.call('GET', KEYS[2]) or '0') >= e then return 0 end
if stored < e then redis.call('SET', KEYS[1], ARGV[1]) end
if redis.call('PEXPIRE', KEYS[3], ARGV[2]) == 0 or redis.call('GET', KEYS[3]) ~= ARGV[3] then
  local set = redis.pcall('SET', KEYS[3], ARGV[3], 'PX', ARGV[2])
  if type(set) == 'table' and set.err and redis.call('EXISTS', KEYS[3]) == 0 then return set end
end
return 1
)"),
      .fence = script(R"(
local e = tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[2]) or '0') >= e then return 1 end
if tonumber(redis.call('GET', KEYS[1]) or '0') > e then return 1 end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
return 1
)"),
      .leave = script(R"(
local e = tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[1]) or '0') > e then return 0 end
if tonumber(redis.call('GET', KEYS[2]) or '0') < e then redis.call('SET', KEYS[2], ARGV[1]) end
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
)"),
      .clear = script(R"(
local e = tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[1]) or '0') > e then return 0 end
if tonumber(redis.call('GET', KEYS[2]) or '0') < e then return 0 end
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
)"),
      .enlist = script(R"(
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored and tonumber(string.match(stored, '^%d+') or '0') > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
return 1
)"),
      .strike = script(R"(
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored and tonumber(string.match(stored, '^%d+') or '0') > tonumber(ARGV[2]) then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
)"),
      .inboxes = script(R"(
local last = {}
for i, key in ipairs(KEYS) do
  local there = redis.call('EXISTS', key) == 1
  if not there and ARGV[i + 1] ~= '' then
    redis.call('XADD', key, ARGV[i + 1], 'n', '')
    redis.call('XTRIM', key, 'MAXLEN', 0)
    there = true
  end
  last[i] = ''
  if there then
    redis.call('PEXPIRE', key, ARGV[1])
    local info = redis.call('XINFO', 'STREAM', key)
    for j = 1, #info, 2 do
      if info[j] == 'last-generated-id' then last[i] = info[j + 1] end
    end
  end
end
return last
)"),
      .ring = script(R"(
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('XADD', KEYS[1], 'MAXLEN', 16, '*', ARGV[1], ARGV[2])
return 1
)"),
  };
  return all;
}

}  // namespace sb::cluster
