// SPDX-License-Identifier: MIT
#include "store/redis_session_scripts.h"

#include <string>
#include <string_view>

namespace sb::store {
namespace {

using redis::Script;

/// Numbers are doubles in Lua: milliseconds and what is counted from them are exact, when they are written so. Every
/// script that removes something sets something first: what a full Redis refuses it refuses then, and nothing has
/// changed.
constexpr std::string_view kCommon = R"(
local key = KEYS[1]
local function text(n) return string.format('%.0f', n) end
local function ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function remove(names)
  for i = 1, #names, 1000 do redis.call('HDEL', key, unpack(names, i, math.min(i + 999, #names))) end
end
local function put(words, from)
  for i = from, #words, 1000 do redis.call('HSET', key, unpack(words, i, math.min(i + 999, #words))) end
end
-- Fields that a session has; wills that are being fired stay, and what `kept` names.
local function clear(kept)
  local gone = {}
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 1) ~= 'f' and not kept[name] then gone[#gone + 1] = name end
  end
  remove(gone)
end
local function bury()
  clear({e = true, o = true, x = true, n = true})
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 1) == 'f' then return end
  end
  redis.call('PEXPIRE', key, 60000)
end
)";

/// Who owns a record, when that one died, and what becomes due of that.
constexpr std::string_view kTimes = R"(
local now = tonumber(ARGV[1])
local me, nonce = ARGV[3] .. ' ' .. ARGV[2], ARGV[4]
local mark = ARGV[3] .. ' ' .. nonce .. ' ' .. ARGV[2]
local never = 2^53
local function owner_of(o)
  local epoch, name = string.match(o, '^(%d+) %d+ (.*)$')
  return epoch .. ' ' .. name, name
end
local deaths, unknown = {}, {}
-- Nothing: it is not known; never: it lives.
local function death(owner)
  if owner == me then return never end
  if not deaths[owner] then unknown[#unknown + 1] = owner end
  return deaths[owner]
end
local function know(from)
  for i = from, #ARGV, 2 do deaths[ARGV[i]] = tonumber(ARGV[i + 1]) or never end
end
local function time(word) return tonumber(word) or never end
local function word(t) return t >= never and '-' or text(t) end
local function parse(t)
  local c, inc, expires, due, expiry, delay = string.match(t, '^(%d) (%d+) (%S+) (%S+) (%d+) (%d+)$')
  return {connected = c == '1', inc = inc, expires = time(expires), due = time(due),
          expiry = tonumber(expiry), delay = tonumber(delay)}
end
-- Of a session whose owner died connected to it: it left then.
local function leave(s, died)
  s.connected = false
  s.expires = s.expiry == 4294967295 and never or died + s.expiry * 1000
  s.due = died + s.delay * 1000
end
local function left(s)
  return '0 ' .. s.inc .. ' ' .. word(s.expires) .. ' ' .. word(s.due) .. ' ' .. text(s.expiry) .. ' ' .. text(s.delay)
end
local function subscriptions()
  local all = redis.call('HGETALL', key)
  local found = {}
  for i = 1, #all, 2 do
    if string.match(all[i], '^s%d+$') then found[#found + 1] = all[i + 1] end
  end
  return found
end
)";

constexpr std::string_view kClaim = R"(
local clean, durable, create = ARGV[5] == '1', ARGV[6] == '1', ARGV[7] == '1'
local r = redis.call('HMGET', key, 'e', 'o', 't', 'x', 'w', 'k')
local e = tonumber(r[1] or '0')
if r[2] == mark and r[4] then
  local will = string.match(r[4], '^%d (%S+)')
  local fired = will ~= '-' and redis.call('HGET', key, 'f' .. will)
  return {'done', r[1], 0, r[4], fired or '', redis.call('HGETALL', key), {}}
end
if ARGV[14] == '1' then return {'soon'} end
if not r[3] and not durable then return {'none'} end
if not r[3] and not create then return {'absent'} end
know(15)
local s, previous = nil, ''
if r[3] then
  s = parse(r[3])
  local owner, name = owner_of(r[2])
  if s.connected and owner ~= me then
    local died = death(owner)
    if not died then return {'who', owner} end
    if died < never then
      leave(s, died)
      previous = '*'  -- it may have died before it told the one that had the client before
    else  -- its connection is closed by this: a will without a delay is due
      -- Who has just claimed it gets to work with it: those who fight for one client id take turns.
      local age = ms() - e
      if age >= 0 and age < tonumber(ARGV[13]) then return {'soon'} end
      previous = name
      s.due = s.delay == 0 and now or never
    end
  end
end
if r[6] then previous = '*' end
local over = s and (clean or (not s.connected and s.expires <= now))
local will, fired = '-', ''
if s and r[5] and (over or s.due <= now) then
  will, fired = text(e), mark .. '\n' .. r[5]
  redis.call('HSET', key, 'f' .. will, fired)
end
local ended, inc = {}, nil
if over then
  ended = subscriptions()
else
  inc = s and s.inc
end
local x = (inc and '1 ' or '0 ') .. will .. ' ' .. (over and s.inc or '0') .. ' ' .. previous
e = math.max(e + 1, ms())
if over then
  redis.call('HSET', key, 'e', text(e))
  clear({e = true, o = true, x = true, n = true})
end
if not inc and not durable then
  redis.call('HSET', key, 'o', mark, 'x', x, 'n', ARGV[8])
  bury()
  return {'done', text(e), 0, x, fired, {}, ended}
end
local begins = not inc
inc = inc or text(e)
redis.call('HSET', key, 'e', text(e), 'o', mark, 'x', x, 'n', ARGV[8],
           't', '1 ' .. inc .. ' - - ' .. ARGV[10] .. ' ' .. ARGV[12], 'u', ARGV[9])
if ARGV[11] ~= '' then
  redis.call('HSET', key, 'w', ARGV[11])
elseif r[5] and not over then
  redis.call('HDEL', key, 'w')
end
if begins then redis.call('PERSIST', key) end
if r[6] then redis.call('HDEL', key, 'k') end
return {'done', text(e), inc, x, fired, redis.call('HGETALL', key), ended}
)";

constexpr std::string_view kChange = R"(
local r = redis.call('HMGET', key, 'e', 'n', 't')
if not r[3] then return 'none' end
if r[1] ~= ARGV[1] then return 'stale' end
local n = tonumber(r[2])
if tonumber(ARGV[2]) <= n then return 'seen' end
if tonumber(ARGV[3]) ~= n then return 'gap' end
local from = 5 + tonumber(ARGV[4])
redis.call('HSET', key, 'n', ARGV[2])
for i = 5, from - 1, 1000 do redis.call('HDEL', key, unpack(ARGV, i, math.min(i + 999, from - 1))) end
put(ARGV, from)
return 'done'
)";

constexpr std::string_view kEnd = R"(
local r = redis.call('HMGET', key, 'e', 't')
if not r[1] then return 'done' end
if tonumber(r[1]) > tonumber(ARGV[1]) then return r[2] and 'stale' or 'done' end
if r[1] ~= ARGV[1] then redis.call('HSET', key, 'e', ARGV[1]) end
if r[2] then bury() end
return 'done'
)";

constexpr std::string_view kRestore = R"(
local mark = ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[1]
local r = redis.call('HMGET', key, 'e', 'o', 't')
local e, given = tonumber(r[1] or '0'), tonumber(ARGV[4])
if e > given or (e == given and r[2] ~= mark) then return {'lost'} end
local node, epoch = '', ''
if r[3] and r[2] ~= mark and string.sub(r[3], 1, 1) == '1' then
  node, epoch = string.match(r[2], '^%d+ %d+ (.*)$'), r[1]
end
local kept = {e = true, o = true, n = true}
for i = 6, #ARGV, 2 do kept[ARGV[i]] = true end
redis.call('HSET', key, 'e', ARGV[4], 'o', mark, 'n', ARGV[5])
put(ARGV, 6)
clear(kept)
redis.call('PERSIST', key)
return {'done', node, epoch}
)";

constexpr std::string_view kTake = R"(
know(6)
local all = redis.call('HGETALL', key)
if #all == 0 then return {'gone'} end
local f, wills, mine, others = {}, {}, false, false
for i = 1, #all, 2 do
  f[all[i]] = all[i + 1]
  local n = string.match(all[i], '^f(%d+)$')
  if n then
    local holder = string.match(all[i + 1], '^([^\n]*)\n')
    if holder == mark then  -- this is a repeat
      wills[#wills + 1] = n
      wills[#wills + 1] = string.sub(all[i + 1], #holder + 2)
    else
      local owner = owner_of(holder)
      local died = death(owner)
      if died and died < never then
        local will = string.sub(all[i + 1], #holder + 2)
        wills[#wills + 1] = n
        wills[#wills + 1] = will
        mine = true
        redis.call('HSET', key, all[i], mark .. '\n' .. will)
      else
        others = true
      end
    end
  end
end
local soon = word(now + 30000)
if not f['t'] then
  if #unknown > 0 then return {'who', unpack(unknown)} end
  if #wills > 0 then return {'taken', 0, wills, '0', {}, soon, '0', '0'} end
  if others then return {'later', soon, '0'} end
  return {'gone'}
end
local s = parse(f['t'])
local owner = owner_of(f['o'])
local died = s.connected and death(owner)
if #unknown > 0 then return {'who', unpack(unknown)} end
local over = f['k'] or '0'
if s.connected and owner == me and ARGV[5] == '1' then
  leave(s, now)
  redis.call('HSET', key, 't', left(s))
elseif s.connected and died < never then
  -- What its owner still had on the way, or writes when it wakes up, comes too late from here on. Whoever had the client
  -- before it may not have been told: `k` says so until the next claim.
  leave(s, died)
  over = text(math.max(tonumber(f['e']) + 1, ms()))
  redis.call('HSET', key, 'e', over, 't', left(s), 'k', over)
end
local again = s.connected and now + math.min(math.max(s.expiry, 300), 3600) * 1000
              or math.min(s.expires, f['w'] and s.due or never)
local ended = not s.connected and s.expires <= now
local since = word(math.min(s.expires, f['w'] and s.due or never))
if not s.connected and f['w'] and (ended or s.due <= now) then
  wills[#wills + 1] = f['e']
  wills[#wills + 1] = f['w']
  redis.call('HSET', key, 'f' .. f['e'], mark .. '\n' .. f['w'])
  redis.call('HDEL', key, 'w')
  again = s.expires
end
if #wills > 0 or others then again = math.min(again, now + 30000) end
if ended then
  local left = subscriptions()
  bury()
  return {'taken', 1, wills, s.inc, left, #wills > 0 and soon or '-', since, over}
end
if #wills == 0 then return {'later', word(math.min(again, now + 3600000)), over} end
return {'taken', 0, wills, '0', {}, word(math.min(again, now + 3600000)), since, over}
)";

constexpr std::string_view kFired = R"(
redis.call('HDEL', key, 'f' .. ARGV[1])
if redis.call('HEXISTS', key, 't') == 0 and redis.call('EXISTS', key) == 1 then bury() end
return 'done'
)";

std::shared_ptr<const Script> make(std::initializer_list<std::string_view> parts) {
  std::string source;
  for (auto p : parts) source += p;
  return std::make_shared<const Script>(std::move(source));
}

}  // namespace

const SessionScripts::Ptr& SessionScripts::claim() {
  static const Ptr s = make({kCommon, kTimes, kClaim});
  return s;
}
const SessionScripts::Ptr& SessionScripts::change() {
  static const Ptr s = make({kCommon, kChange});
  return s;
}
const SessionScripts::Ptr& SessionScripts::end() {
  static const Ptr s = make({kCommon, kEnd});
  return s;
}
const SessionScripts::Ptr& SessionScripts::restore() {
  static const Ptr s = make({kCommon, kRestore});
  return s;
}
const SessionScripts::Ptr& SessionScripts::take() {
  static const Ptr s = make({kCommon, kTimes, kTake});
  return s;
}
const SessionScripts::Ptr& SessionScripts::fired() {
  static const Ptr s = make({kCommon, kFired});
  return s;
}

std::vector<SessionScripts::Ptr> SessionScripts::all() {
  return {claim(), change(), end(), restore(), take(), fired()};
}

}  // namespace sb::store
