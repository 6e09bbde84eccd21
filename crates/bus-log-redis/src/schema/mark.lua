-- Writes what is there already: from Redis 7.2 on, WAIT waits for what its own connection has written, and for nothing
-- that this has only read. PERSIST as in freeing.lua.
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], 'id', id)
return {'ok'}
