-- KEYS[1] is the log's record, ARGV the identity that it gets if it has none, the layout's version, and
-- the number of its parts. Says what it is then.
redis.call('HSETNX', KEYS[1], 'id', ARGV[1])
redis.call('HSETNX', KEYS[1], 'version', ARGV[2])
redis.call('HSETNX', KEYS[1], 'parts', ARGV[3])
-- Also what somebody else made is to be waited for: as in mark.lua.
redis.call('HSET', KEYS[1], 'id', redis.call('HGET', KEYS[1], 'id'))
return redis.call('HMGET', KEYS[1], 'id', 'version', 'parts', 'made')
