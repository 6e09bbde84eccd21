-- KEYS[1] is the log's record. Says what it is, if there is one.
return redis.call('HMGET', KEYS[1], 'id', 'version', 'parts', 'made')
