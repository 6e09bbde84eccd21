-- Third in every script that changes a thread. ARGV[4] names the calling handle in the thread's head, ARGV[5] numbers
-- this call among that handle's, and ARGV[6] is the highest number of its calls that it has given up: none of those
-- may happen any more, however late it arrives. An 'ok' that wrote nothing has a third word.
local head = redis.call('HMGET', KEYS[2], 'last', 'mark', 'max', ARGV[4], 'at')
local last, mark = tonumber(head[1] or '0'), tonumber(head[2] or '0')
local fence = tonumber(head[4] or '0')
if tonumber(ARGV[5]) <= fence then
  return {'fenced'}
end
if tonumber(ARGV[6]) > fence then
  redis.call('HSET', KEYS[2], ARGV[4], ARGV[6])
end
if last == 0 and is_lost() then
  return {'lost'}
end
