-- ARGV[4] is how many pages may be freed at once. Says 1 if it is to be called again. The page that the watermark
-- cuts in two stays.
local mark = tonumber(redis.call('HGET', KEYS[2], 'mark') or '0')
local kept = redis.call('XREVRANGE', KEYS[3], whole(mark + 1), '-', 'COUNT', 1)
if #kept == 0 then
  return {'ok', '0'}
end
if redis.call('XTRIM', KEYS[3], 'MINID', '~', kept[1][1], 'LIMIT', ARGV[4]) > 0 then
  return {'ok', '1'}
end
-- What is left lies in one node of the stream.
redis.call('XTRIM', KEYS[3], 'MINID', kept[1][1])
return {'ok', '0'}
