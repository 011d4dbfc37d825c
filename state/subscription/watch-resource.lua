-- Note that a resource is watched until some time. The version grows when it
-- was not watched before, so that those who keep a copy read the list again.
--
-- KEYS[1] watched      sorted set: resources by the end of the last subscription, ms
-- KEYS[2] version      number of the list
-- ARGV[1] resource     what is watched
-- ARGV[2] expiresAtMs  until when, epoch ms
--
-- Returns the version
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
local known = redis.call("ZSCORE", KEYS[1], ARGV[1])
if not known or tonumber(known) < tonumber(ARGV[2]) then redis.call("ZADD", KEYS[1], ARGV[2], ARGV[1]) end
if known then return tonumber(redis.call("GET", KEYS[2]) or "0") end
return redis.call("INCR", KEYS[2])
