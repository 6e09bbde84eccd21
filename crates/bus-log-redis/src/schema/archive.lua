-- ARGV[7] is the watermark. The pages below it are freed by purge.lua.
local to = math.min(tonumber(ARGV[7]), last)
local hidden = math.max(to - mark, 0)
-- First what says that they are hidden: a script that a missing permission ends here has freed nothing.
if hidden > 0 then
  redis.call('HSET', KEYS[2], 'mark', whole(to))
end
-- Also where nothing is newly hidden: it may have been forbidden before.
if last > 0 and math.max(to, mark) == last then
  redis.pcall('UNLINK', KEYS[3])
end
return {'ok', whole(hidden), hidden == 0 and 'unwritten' or nil}
