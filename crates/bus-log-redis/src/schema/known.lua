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
