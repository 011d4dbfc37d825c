-- End a bridge's lease of a radio channel, so that another may take it at once.
--
-- KEYS[1] lease      string: instance that serves the channel
-- ARGV[1] instance   who leaves
--
-- Returns 1 when it was the holder, else 0
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call("DEL", KEYS[1])
