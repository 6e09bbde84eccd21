-- KEYS: log, the tenant's threads, tenants. ARGV: tenant, where the names begin, how many at most, and what a head's
-- and a stream's key begin with.
if has_lost_threads(KEYS[2], KEYS[3], ARGV[2]) then
  return {'lost'}
end
local answer = {'ok'}
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[3], '+', 'LIMIT', 0, ARGV[4])) do
  local head = redis.call('HMGET', ARGV[5] .. name, 'last', 'mark', 'erased', 'at')
  answer[#answer + 1] = name
  -- '' where there is no head, though there was one.
  answer[#answer + 1] = head[1] or ''
  answer[#answer + 1] = head[2] or '0'
  answer[#answer + 1] = head[3] or '0'
  answer[#answer + 1] = head[4] or ''
  answer[#answer + 1] = whole(redis.call('MEMORY', 'USAGE', ARGV[6] .. name) or 0)
end
return answer
