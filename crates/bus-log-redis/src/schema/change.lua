-- Second in every script that changes a thread. KEYS[2] is the thread's head; ARGV[2] names the calling
-- handle there, ARGV[3] numbers this call among that handle's, and ARGV[4] is the highest number of its calls that
-- it has given up: none of those may happen any more, however late it arrives.
local head = redis.call('HMGET', KEYS[2], 'last', 'mark', 'max', ARGV[2])
local last, mark = tonumber(head[1] or '0'), tonumber(head[2] or '0')
local fence = tonumber(head[4] or '0')
if tonumber(ARGV[3]) <= fence then
  return {'fenced'}
end
if tonumber(ARGV[4]) > fence then
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
end
