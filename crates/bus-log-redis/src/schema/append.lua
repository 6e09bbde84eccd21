-- ARGV from 7 on: what is expected ('any', 'last', 'start') and the number that goes with it, time of the newest
-- event, bytes of the largest page, channel and word for news; then for each page the number of its events, and
-- the page.
local count = 0
for i = 13, #ARGV, 2 do
  count = count + tonumber(ARGV[i])
end

local first = last + 1
if ARGV[7] == 'last' and tonumber(ARGV[8]) ~= last then
  return {'conflict', whole(last)}
end
if ARGV[7] == 'start' then
  if last > 0 then
    return {'conflict', whole(last)}
  end
  first = tonumber(ARGV[8])
end
if count == 0 then
  return {'ok', whole(last), 'unwritten'}
end
-- In this order: 2^53 + 1 is not a number that Lua has.
local newest = first + (count - 1)
if newest > 9007199254740991 then
  return {'far'}
end

-- A server that has no memory left refuses the first write, this one. A permission that is missing may show only later:
-- what was written before is taken back then, or the thread would count as lost.
if tonumber(ARGV[10]) > tonumber(head[3] or '0') then
  redis.call('HSET', KEYS[2], 'last', whole(newest), 'at', ARGV[9], 'max', ARGV[10])
else
  redis.call('HSET', KEYS[2], 'last', whole(newest), 'at', ARGV[9])
end
local backwards = {}
if last > 0 then
  backwards[1] = {'HSET', KEYS[2], 'last', head[1], 'at', head[5] or '0', 'max', head[3] or '0'}
else
  backwards[1] = {'HDEL', KEYS[2], 'last', 'mark', 'at', 'max'}
end
local function refused(back, ...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    for i = #backwards, 1, -1 do
      redis.pcall(unpack(backwards[i]))
    end
    return answer
  end
  -- 0: it was so before.
  if answer ~= 0 then
    backwards[#backwards + 1] = back
  end
end

local place = first
for i = 13, #ARGV, 2 do
  local id = whole(place) .. '-' .. ARGV[i]
  local error = refused(last == 0 and {'UNLINK', KEYS[3]} or {'XDEL', KEYS[3], id}, 'XADD', KEYS[3], id, 'e', ARGV[i + 1])
  if error then
    return error
  end
  place = place + tonumber(ARGV[i])
end
if last == 0 then
  local error = refused({'ZREM', KEYS[4], ARGV[2]}, 'ZADD', KEYS[4], 0, ARGV[2])
    or refused({'ZREM', KEYS[5], ARGV[3]}, 'ZADD', KEYS[5], 0, ARGV[3])
    or refused({'HDEL', KEYS[1], 'used'}, 'HSET', KEYS[1], 'used', 1)
  if error then
    return error
  end
end
if first > last + 1 then
  redis.call('HSET', KEYS[2], 'mark', whole(first - 1))
end
-- Whoever waits looks by himself too: a user who may not publish still appends.
redis.pcall('PUBLISH', ARGV[11], ARGV[12])
return {'ok', whole(newest)}
