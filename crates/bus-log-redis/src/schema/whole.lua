-- KEYS[1] is the log's record: all its parts are made.
return redis.call('HSET', KEYS[1], 'made', '1')
