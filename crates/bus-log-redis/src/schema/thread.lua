-- Second in every script about one thread. KEYS[2] to KEYS[5] are its head, its pages, the list of its tenant's
-- threads and the list of tenants; ARGV[2] and ARGV[3] are the names of thread and tenant.
local function is_lost()
  return has_lost_threads(KEYS[4], KEYS[5], ARGV[3])
    or redis.call('ZSCORE', KEYS[4], ARGV[2])
    or redis.call('EXISTS', KEYS[3]) == 1
end
