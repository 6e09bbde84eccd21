-- ARGV from 4 on: cursor, most events, most pages, most bytes. Gives the last ordinal, the watermark, and each page
-- after its id; the page that holds the first ordinal wanted comes whole.
local head = redis.call('HMGET', KEYS[2], 'last', 'mark', 'max')
if not head[1] then
  if is_lost() then
    return {'lost'}
  end
  return {'ok', '0', '0'}
end
local last, mark = tonumber(head[1]), tonumber(head[2] or '0')
local from = math.max(tonumber(ARGV[4]), mark) + 1
local answer = {'ok', head[1], head[2] or '0'}
if from > last then
  return answer
end

local upto = from + tonumber(ARGV[5])
local pages, bytes = tonumber(ARGV[6]), tonumber(ARGV[7])
-- No page is larger than this, so that what is fetched at once is known before it is seen.
local largest = math.max(tonumber(head[3] or '1'), 1)
local found = redis.call('XREVRANGE', KEYS[3], whole(from), '-', 'COUNT', 1)
while #found > 0 do
  for _, page in ipairs(found) do
    answer[#answer + 1] = page[1]
    answer[#answer + 1] = page[2][2]
    pages, bytes = pages - 1, bytes - #page[2][2]
  end
  local id = found[#found][1]
  local first, count = string.match(id, '(%d+)-(%d+)')
  local wanted = upto - (tonumber(first) + tonumber(count))
  if wanted <= 0 or pages <= 0 or bytes <= 0 then
    break
  end
  -- As many as it takes if they are like this one.
  local alike = math.ceil(wanted / math.max(tonumber(count), 1))
  local next = math.max(1, math.min(pages, alike, math.floor(bytes / largest)))
  found = redis.call('XRANGE', KEYS[3], '(' .. id, '+', 'COUNT', next)
end
return answer
