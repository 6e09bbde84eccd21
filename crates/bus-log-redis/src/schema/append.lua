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
  return {'ok', whole(last)}
end
-- In this order: 2^53 + 1 is not a number that Lua has.
local newest = first + (count - 1)
if newest > 9007199254740991 then
  return {'far'}
end

if last == 0 then
  redis.call('HSET', KEYS[1], 'used', 1)
  redis.call('ZADD', KEYS[5], 0, ARGV[3])
  redis.call('ZADD', KEYS[4], 0, ARGV[2])
end

-- Only the first can fail: nothing of the batch is there then.
local place = first
for i = 13, #ARGV, 2 do
  redis.call('XADD', KEYS[3], whole(place) .. '-' .. ARGV[i], 'e', ARGV[i + 1])
  place = place + tonumber(ARGV[i])
end

if tonumber(ARGV[10]) > tonumber(head[3] or '0') then
  redis.call('HSET', KEYS[2], 'last', whole(newest), 'at', ARGV[9], 'max', ARGV[10])
else
  redis.call('HSET', KEYS[2], 'last', whole(newest), 'at', ARGV[9])
end
if first > last + 1 then
  redis.call('HSET', KEYS[2], 'mark', whole(first - 1))
end
redis.call('PUBLISH', ARGV[11], ARGV[12])
return {'ok', whole(newest)}
