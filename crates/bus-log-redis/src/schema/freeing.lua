-- Before change.lua in what frees memory: a server that has none left refuses a script's first write, unless that
-- needs none.
redis.call('PERSIST', KEYS[2])
