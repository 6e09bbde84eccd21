-- What is left is the head: the thread stays known, and its ordinals go on.
if last > 0 then
  -- First what says that they are hidden, as in archive.lua.
  redis.call('HSET', KEYS[2], 'mark', whole(last), 'erased', '1')
  local gone = redis.pcall('UNLINK', KEYS[3])
  if type(gone) == 'table' and gone.err then
    return gone
  end
  redis.call('HDEL', KEYS[2], 'at', 'max')
end
return {'ok', '0', last == 0 and 'unwritten' or nil}
