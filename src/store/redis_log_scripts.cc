// SPDX-License-Identifier: MIT
#include "store/redis_log_scripts.h"

#include <string>

namespace sb::store::log_scripts {
namespace {

constexpr const char* kCommon = R"(
local log, state, members = KEYS[1], KEYS[2], KEYS[3]
local group = '\0group'
local function int(n) return string.format('%.0f', n) end
local function numbers(text)
  local t = {}
  for n in string.gmatch(text, '%d+') do t[#t + 1] = tonumber(n) end
  return t
end
local function ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function history()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
end
local G, O, B, X, PB, PO, PF, PN = 1, 2, 3, 4, 5, 6, 7, 8
local function pack(s)
  return string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', s[G], s[O], s[B], s[X], s[PB], s[PO], s[PF], s[PN])
end
local function begin(incarnation, highest, before)
  local g = math.max(highest + 1, ms(), before + 1)
  redis.call('DEL', log, state, members)
  redis.call('HSET', state, 'i', incarnation, 'h', history(), 'e', int(g) .. ',1',
             's', pack({g, 0, 0, 0, 0, 0, 0, 0}))
  redis.call('XADD', log, int(g) .. '-0', 'b', '')
  redis.call('XTRIM', log, 'MAXLEN', 0)
  return {g, 0, 0, 0, 0, 0, 0, 0}
end
-- Takes pieces away from the front while `more(bytes, messages, seconds)` says so; the one with the last message stays.
local function drop(s, more)
  local g, x
  while s[PF] < s[PN] do
    local p = numbers(redis.call('HGET', state, 'p' .. int(s[PF])))
    if p[2] >= s[O] or not more(p) then break end
    g, x = p[1], p[2]
    s[B] = s[B] - p[3]
    s[X] = x
    redis.call('HDEL', state, 'p' .. int(s[PF]))
    s[PF] = s[PF] + 1
  end
  if x then redis.call('XTRIM', log, 'MINID', int(g) .. '-' .. int(x + 1)) end
end
-- What a member has had that stands at this position.
local function offset_at(s, eras, generation, offset)
  local upto = 0
  for g, first in string.gmatch(eras, '(%d+),(%d+)') do
    if tonumber(g) > generation then return math.min(upto, tonumber(first) - 1) end
    upto = offset
  end
  return math.min(upto, s[O])
end
)";

constexpr const char* kAppend = R"(
local f = redis.call('HMGET', state, 'i', 'd', 's', 'h', 'w:' .. ARGV[1])
if not f[1] or f[2] then return {'none', f[2] and tonumber(f[1]) or 0} end
local number, s = tonumber(ARGV[2]), numbers(f[3])
if f[5] then
  local w = numbers(f[5])
  if number == w[1] then
    local r = {'seen', tonumber(f[1]), s[B], s[O] - s[X]}
    for i = 2, #w do r[#r + 1] = w[i] end
    return r
  end
  if number < w[1] then return {'seen', tonumber(f[1]), s[B], s[O] - s[X], 0, 0, 0, 0, 0} end
  if number ~= w[1] + 1 and ARGV[3] == '' then return {'gap'} end
elseif ARGV[3] == '' then
  return {'gap'}
end

local h = history()
local pg, po = s[G], s[O]
local fields = {}
if h ~= f[4] then
  s[G] = math.max(s[G] + 1, tonumber(ARGV[4]) + 1, ms())
  local eras = redis.call('HGET', state, 'e')
  local _, n = string.gsub(eras, ',', '')
  if n >= 8 then eras = string.match(eras, ' (.*)') end
  fields = {'h', h, 'e', eras .. ' ' .. int(s[G]) .. ',' .. int(s[O] + 1)}
end

local count, bytes, at, data, skipped, origins, seconds = 0, 0, 0, {}, {}, {}, nil
for i = 12, #ARGV, 5 do
  local n, origin, has = tonumber(ARGV[i]), ARGV[i + 2], nil
  if origin ~= '' then
    has = origins[origin] or string.match(redis.call('HGET', state, 'q:' .. origin) or '', '^%d+')
  end
  if has and tonumber(ARGV[i + 3]) <= tonumber(has) then
    skipped[#skipped + 1] = at
  else
    if origin ~= '' then
      origins[origin] = ARGV[i + 3]
      seconds = seconds or redis.call('TIME')[1]
      fields[#fields + 1] = 'q:' .. origin
      fields[#fields + 1] = ARGV[i + 3] .. ' ' .. seconds
    end
    count = count + n
    bytes = bytes + tonumber(ARGV[i + 1])
    data[#data + 1] = ARGV[i + 4]
  end
  at = at + n
end

local first = s[O] + 1
s[O], s[B], s[PB] = s[O] + count, s[B] + bytes, s[PB] + bytes

local max_bytes, max_messages, max_age = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[10])
if max_age > 0 then seconds = seconds or redis.call('TIME')[1] end
local full = s[PB] >= tonumber(ARGV[8]) or s[O] - s[PO] >= tonumber(ARGV[9])
if not full and max_age > 0 and count > 0 then
  local began = redis.call('HGET', state, 'pt')
  if not began then
    fields[#fields + 1] = 'pt'
    fields[#fields + 1] = seconds
  else
    full = seconds - began >= tonumber(ARGV[11])
  end
end
if full then
  redis.call('HDEL', state, 'pt')
  seconds = seconds or redis.call('TIME')[1]
  fields[#fields + 1] = 'p' .. int(s[PN])
  fields[#fields + 1] = int(s[G]) .. ' ' .. int(s[O]) .. ' ' .. int(s[PB]) .. ' ' .. seconds
  s[PN], s[PB], s[PO] = s[PN] + 1, 0, s[O]
end

local last = {int(number), int(s[G]), int(first), count, int(pg), int(po)}
local r = {'done', tonumber(f[1]), s[B], s[O] - s[X], s[G], first, count, pg, po}
for i = 1, #skipped do
  last[#last + 1] = skipped[i]
  r[#r + 1] = skipped[i]
end
-- Nothing fails between these two, so both are done, or none.
if count > 0 then
  local id = int(s[G]) .. '-' .. int(s[O])
  local text = #data == 1 and data[1] or table.concat(data)
  -- Of these positions each holds as many messages as there were in that batch: of another number, they say nothing.
  local known = {}
  for g, first, n in string.gmatch(ARGV[5], '(%d+)-(%d+)/(%d+)') do
    if tonumber(n) == count and #skipped == 0 then known[#known + 1] = g .. '-' .. first end
  end
  if #known > 0 then
    redis.call('XADD', log, id, 'b', text, 'k', table.concat(known, ' '))
  else
    redis.call('XADD', log, id, 'b', text)
  end
end
redis.call('HSET', state, 's', pack(s), 'w:' .. ARGV[1], table.concat(last, ' '), unpack(fields))
if s[B] > max_bytes or s[O] - s[X] > max_messages or max_age > 0 then
  local before = s[X]
  drop(s, function(p)
    return s[B] > max_bytes or s[O] - s[X] > max_messages or (max_age > 0 and seconds - p[4] > max_age)
  end)
  if s[X] ~= before then redis.call('HSET', state, 's', pack(s)) end
  r[3], r[4] = s[B], s[O] - s[X]
end
return r
)";

constexpr const char* kMembers = R"(
local f = redis.call('HMGET', state, 'i', 'd', 's', 'w:' .. ARGV[1], 'e')
local number, incarnation = tonumber(ARGV[2]), tonumber(ARGV[4])
local there = f[1] and not f[2]
local s = f[3] and numbers(f[3])
local before = s and s[G] or 0
if there then
  local last = f[4] and numbers(f[4])[1]
  if last and number <= last then
    local r = {'seen', tonumber(f[1]), s[B], s[O] - s[X], s[G], s[O], 0}
    for i = 7, #ARGV, 4 do
      r[#r + 1] = (ARGV[i] == 'l' or redis.call('ZSCORE', members, ARGV[i + 1])) and 1 or 0
    end
    return r
  end
  if ARGV[3] == '' and number ~= (last or 0) + 1 then return {'gap'} end
  if tonumber(f[1]) < incarnation then
    redis.call('HSET', state, 'i', ARGV[4])
    f[1] = ARGV[4]
  end
end
local ended, results = 0, {}
for i = 7, #ARGV, 4 do
  local op, name, done = ARGV[i], ARGV[i + 1], 1
  if (op == 'j' or op == 'a') and not there then
    if f[1] and tonumber(f[1]) >= incarnation then
      done = -1
    elseif ARGV[3] == '' then
      return {'gap'}
    else
      -- One that was lost comes back as another one: so those who know the old one see it.
      local made = (ARGV[6] ~= '' and not f[1]) and int(math.max(incarnation + 1, ms())) or ARGV[4]
      s = begin(made, tonumber(ARGV[5]), before)
      f[1], f[5], there, ended = made, int(s[G]) .. ',1', true, 3
    end
  end
  if not there then
    if done == 1 and op ~= 'l' then done = 0 end
  elseif op == 'j' then
    redis.call('ZADD', members, 'NX', int(s[O]), name)
  elseif op == 'a' then
    redis.call('ZADD', members, 'NX', int(s[X]), name)
  elseif op == 'g' then
    redis.call('ZADD', members, 'NX', int(s[X]), group)
  elseif op == 'r' then
    redis.call('ZADD', members, 'XX', 'GT', int(offset_at(s, f[5], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]))), name)
  else
    redis.call('ZREM', members, name)
    local left = redis.call('ZCARD', members)
    if left == 0 or (left == 1 and redis.call('ZSCORE', members, group)) then
      before = s[G]
      redis.call('DEL', log, state, members)
      redis.call('HSET', state, 'i', f[1], 'd', 1, 's', pack(s))
      redis.call('PEXPIRE', state, 60000)
      there, ended = false, 1
    end
  end
  results[#results + 1] = done
end
if there then
  redis.call('HSET', state, 'w:' .. ARGV[1], int(number))
elseif ended ~= 1 then
  ended = 2
end
s = s or {0, 0, 0, 0}
return {'done', tonumber(f[1]) or 0, s[B], s[O] - s[X], s[G], s[O], ended, unpack(results)}
)";

constexpr const char* kMakeAgain = R"(
local f = redis.call('HMGET', state, 'i', 'd', 's', 'w:' .. ARGV[1])
if f[2] and ARGV[4] == '' then return {0} end
local there = f[1] and not f[2]
local s = f[3] and numbers(f[3])
if not there then s = begin(ARGV[2], tonumber(ARGV[3]), s and s[G] or 0) end
for i = 5, #ARGV do redis.call('ZADD', members, 'NX', int(s[X]), ARGV[i]) end
return {tonumber(there and f[1] or ARGV[2]), there and f[4] and numbers(f[4])[1] or 0}
)";

constexpr const char* kTrim = R"(
local f = redis.call('HMGET', state, 'i', 'd', 's', 'e', 't')
if not f[1] or f[2] then return {0, 0} end
local s, seconds = numbers(f[3]), tonumber(redis.call('TIME')[1])
local max_bytes, max_messages, max_age = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local lowest = redis.call('ZRANGE', members, 0, 15, 'WITHSCORES')
local low = tonumber(redis.call('ZSCORE', members, group) or lowest[2] or 0)
drop(s, function(p)
  return p[2] <= low or s[B] > max_bytes or s[O] - s[X] > max_messages or (max_age > 0 and seconds - p[4] > max_age)
end)
if low > s[X] then
  -- Inside of a piece: its bytes are shared out evenly.
  local name, p = 'p' .. int(s[PF]), nil
  if s[PF] < s[PN] then p = numbers(redis.call('HGET', state, name)) end
  local last, bytes = p and p[2] or s[O], p and p[3] or s[PB]
  local share = math.floor(bytes * math.min(1, (low - s[X]) / (last - s[X])))
  if p then
    redis.call('HSET', state, name, int(p[1]) .. ' ' .. int(p[2]) .. ' ' .. int(bytes - share) .. ' ' .. int(p[4]))
  else
    s[PB], s[PO] = bytes - share, low
  end
  s[B], s[X] = s[B] - share, low
  local generation
  for g, first in string.gmatch(f[4], '(%d+),(%d+)') do
    if tonumber(first) <= low then generation = g end
  end
  if generation then redis.call('XTRIM', log, 'MINID', generation .. '-' .. int(low + 1)) end
end
redis.call('HSET', state, 's', pack(s))
-- Publishers that have not been heard of for long, and writers: once in a while.
if seconds - (tonumber(f[5]) or 0) >= tonumber(ARGV[5]) then
  redis.call('HSET', state, 't', seconds)
  local cursor, found = '0', nil
  for _ = 1, 20 do
    cursor, found = unpack(redis.call('HSCAN', state, cursor, 'MATCH', 'q:*', 'COUNT', 100))
    for i = 1, #found, 2 do
      if seconds - tonumber(string.match(found[i + 1], '(%d+)$')) >= tonumber(ARGV[4]) then
        redis.call('HDEL', state, found[i])
      end
    end
    if cursor == '0' then break end
  end
end
return {s[B], s[O] - s[X], unpack(lowest)}
)";

constexpr const char* kList = R"(
local all = {}
for i = 1, #ARGV, 3 do
  local has = tonumber(redis.call('HGET', KEYS[1], ARGV[i + 1]) or '0')
  if ARGV[i] == 'b' then
    if has == 0 then
      redis.call('HSET', KEYS[1], ARGV[i + 1], ARGV[i + 2])
      has = tonumber(ARGV[i + 2])
    end
  elseif has > 0 and has <= tonumber(ARGV[i + 2]) then
    redis.call('HDEL', KEYS[1], ARGV[i + 1])
    has = 0
  end
  all[#all + 1] = has
end
return all
)";

ScriptPtr with_common(const char* text) { return std::make_shared<const redis::Script>(std::string(kCommon) + text); }

}  // namespace

const ScriptPtr append = with_common(kAppend);
const ScriptPtr members = with_common(kMembers);
const ScriptPtr make_again = with_common(kMakeAgain);
const ScriptPtr trim = with_common(kTrim);
const ScriptPtr list = std::make_shared<const redis::Script>(kList);

std::vector<ScriptPtr> all() { return {append, members, make_again, trim, list}; }

}  // namespace sb::store::log_scripts
