-- The cards of the processes whose lease has not ended.
--
-- KEYS[1] leases   sorted set: role:instance by lease end, ms
-- KEYS[2] cards    hash: role:instance to JSON card
--
-- Returns array of JSON cards
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive = redis.call("ZRANGEBYSCORE", KEYS[1], now, "+inf")
if #alive == 0 then return {} end
return redis.call("HMGET", KEYS[2], unpack(alive))
