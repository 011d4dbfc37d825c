-- Say that a process is alive and where it is reached, forget those whose lease
-- ended more than a minute ago, and answer who is alive.
--
-- KEYS[1] leases   sorted set: role:instance by lease end, ms
-- KEYS[2] cards    hash: role:instance to JSON card
-- ARGV[1] name     role:instance
-- ARGV[2] card     JSON; empty when it stands as it was
-- ARGV[3] leaseMs  milliseconds until the process counts as dead
--
-- Returns array of JSON cards of the processes that are alive
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZADD", KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
if ARGV[2] ~= "" then
  redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
  for _, gone in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now - 60000, "LIMIT", 0, 16)) do
    redis.call("ZREM", KEYS[1], gone)
    redis.call("HDEL", KEYS[2], gone)
  end
end
return redis.call("HMGET", KEYS[2], unpack(redis.call("ZRANGEBYSCORE", KEYS[1], now, "+inf")))
