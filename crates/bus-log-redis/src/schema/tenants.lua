-- KEYS: log, tenants. ARGV: where the names begin, and how many at most.
if has_lost_tenants(KEYS[2]) then
  return {'lost'}
end
local answer = {'ok'}
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], '+', 'LIMIT', 0, ARGV[3])) do
  answer[#answer + 1] = name
end
return answer
