-- KEYS: log, head, names, pages. ARGV: thread, cursor, most pages, most bytes. Gives the last ordinal, the
-- watermark, and each page after its first ordinal; the page that holds the first ordinal wanted comes whole.
local head = redis.call('HMGET', KEYS[2], 'last', 'mark', 'max')
if not head[1] then
  if redis.call('ZSCORE', KEYS[3], ARGV[2]) then
    return {'lost'}
  end
  return {'ok', '0', '0'}
end
local last, mark = tonumber(head[1]), tonumber(head[2] or '0')
local from = math.max(tonumber(ARGV[3]), mark) + 1
local answer = {'ok', head[1], head[2] or '0'}
if from > last then
  return answer
end

local pages, bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
-- No page is larger than this, so that what is fetched at once is known before it is seen.
local largest = math.max(tonumber(head[3] or '1'), 1)
local found = redis.call('XREVRANGE', KEYS[4], whole(from), '-', 'COUNT', 1)
while #found > 0 do
  for _, page in ipairs(found) do
    answer[#answer + 1] = page[1]
    answer[#answer + 1] = page[2][2]
    pages, bytes = pages - 1, bytes - #page[2][2]
  end
  if pages <= 0 or bytes <= 0 then
    break
  end
  local next = math.max(1, math.min(pages, math.floor(bytes / largest)))
  found = redis.call('XRANGE', KEYS[4], '(' .. found[#found][1], '+', 'COUNT', next)
end
return answer
