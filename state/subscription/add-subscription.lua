-- Note one subscription in an index until it ends. What has ended goes on the
-- way. Doing it again moves the end.
--
-- KEYS[1] index        sorted set: call ids by the end of their subscription, ms
-- ARGV[1] call         the subscription's call id
-- ARGV[2] expiresAtMs  its end, epoch ms
-- ARGV[3] limit        entries that the index may have
--
-- Returns "added" | "full"
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
if not redis.call("ZSCORE", KEYS[1], ARGV[1]) and redis.call("ZCARD", KEYS[1]) >= tonumber(ARGV[3]) then
  return "full"
end
redis.call("ZADD", KEYS[1], ARGV[2], ARGV[1])
local last = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")
redis.call("PEXPIREAT", KEYS[1], math.ceil(tonumber(last[2])))
return "added"
