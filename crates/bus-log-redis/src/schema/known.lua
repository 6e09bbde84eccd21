-- First in every script. KEYS[1] is the log's record, ARGV[1] the identity that the caller knows: a
-- server that came back empty, or another log, must not be written to as if it were this one.
local id = redis.call('HGET', KEYS[1], 'id')
if id ~= ARGV[1] then
  return {id and 'other' or 'gone'}
end

-- Ordinals are whole numbers below 2^53, which Lua counts exactly but writes as 1e+15.
local function whole(number)
  return string.format('%.0f', number)
end

-- The log's record says that there are tenants, their list names those with threads, and a tenant's list its threads,
-- each of which has a head. One without the next was evicted, or deleted by hand: what it led to must not be taken for
-- something that never was.
local function has_lost_tenants(tenants)
  return redis.call('EXISTS', tenants) == 0 and redis.call('HGET', KEYS[1], 'used')
end

local function has_lost_threads(threads, tenants, tenant)
  return has_lost_tenants(tenants)
    or redis.call('EXISTS', threads) == 0 and redis.call('ZSCORE', tenants, tenant)
end
