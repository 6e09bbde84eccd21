-- What is left is the head: the thread stays known, and its ordinals go on.
if last > 0 then
  redis.call('UNLINK', KEYS[3])
  redis.call('HSET', KEYS[2], 'mark', whole(last), 'erased', '1')
  redis.call('HDEL', KEYS[2], 'at', 'max')
end
return {'ok', '0'}
