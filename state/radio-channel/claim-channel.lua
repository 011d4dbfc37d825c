-- Let one bridge at a time serve a radio channel. The lease ends by itself when
-- its holder dies; its holder renews it with the same call.
--
-- KEYS[1] lease      string: instance that serves the channel
-- ARGV[1] instance   who asks
-- ARGV[2] leaseMs    milliseconds until the claim lapses
--
-- Returns {"claimed"} | {"renewed"} | {"taken", holder}
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return { "taken", holder } end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return { holder and "renewed" or "claimed" }
