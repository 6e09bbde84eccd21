-- ARGV[7] is the watermark. The pages below it are freed by purge.lua.
local to = math.min(tonumber(ARGV[7]), last)
if to <= mark then
  return {'ok', '0'}
end
if to == last then
  redis.call('UNLINK', KEYS[3])
end
redis.call('HSET', KEYS[2], 'mark', whole(to))
return {'ok', whole(to - mark)}
