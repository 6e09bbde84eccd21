local head = redis.call('HMGET', KEYS[2], 'last', 'mark', 'erased')
if not head[1] and is_lost() then
  return {'lost'}
end
return {'ok', head[1] or '0', head[2] or '0', head[3] or '0'}
