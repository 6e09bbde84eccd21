-- KEYS: log, head, pages, names, tenants. ARGV from 5 on: what is expected ('any', 'last', 'start') and the
-- number that goes with it, thread, tenant, time of the newest event, bytes of the largest page, channel and
-- word for news; then for each page the number of its events, and the page.
local count = 0
for i = 13, #ARGV, 2 do
  count = count + tonumber(ARGV[i])
end

local first = last + 1
if ARGV[5] == 'last' and tonumber(ARGV[6]) ~= last then
  return {'conflict', whole(last)}
end
if ARGV[5] == 'start' then
  if last > 0 then
    return {'conflict', whole(last)}
  end
  first = tonumber(ARGV[6])
end
if count == 0 then
  return {'ok', whole(last)}
end
local newest = first + count - 1
if newest > 9007199254740991 then
  return {'far'}
end

if last == 0 then
  -- A thread is named where it has a head. One without the other was evicted, or deleted by hand: its
  -- ordinals must not begin again at 1.
  local named = redis.call('ZSCORE', KEYS[4], ARGV[7])
  local unnamed = redis.call('EXISTS', KEYS[4]) == 0 and redis.call('ZSCORE', KEYS[5], ARGV[8])
  if named or unnamed or redis.call('EXISTS', KEYS[3]) == 1 then
    return {'lost'}
  end
  redis.call('ZADD', KEYS[5], 0, ARGV[8])
  redis.call('ZADD', KEYS[4], 0, ARGV[7])
end

-- Only the first can fail: nothing of the batch is there then.
local place = first
for i = 13, #ARGV, 2 do
  redis.call('XADD', KEYS[3], whole(place) .. '-0', 'e', ARGV[i + 1])
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
