-- Say that a process is alive and where it is reached, forget those whose lease
-- ended more than a minute ago, and answer who is alive. When nobody has renewed
-- for a while Redis was away, and leases that ended meanwhile say nothing: they
-- run on, once, until their processes have had the time to renew them.
--
-- KEYS[1] leases    sorted set: role:instance by lease end, ms; with a half for one that was let run on
-- KEYS[2] cards     hash: role:instance to JSON card; `renewed`: when anybody did last, ms
-- ARGV[1] name      role:instance
-- ARGV[2] card      JSON; empty when it stands as it was
-- ARGV[3] leaseMs   milliseconds until the process counts as dead
-- ARGV[4] silenceMs milliseconds without a renewal from which on Redis was away
-- ARGV[5] returnMs  milliseconds that the others have to renew then
--
-- Returns array of JSON cards of the processes that are alive
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local renewed = tonumber(redis.call("HGET", KEYS[2], "renewed") or now)
redis.call("HSET", KEYS[2], "renewed", now)
if now - renewed > tonumber(ARGV[4]) then
  local ended = redis.call("ZRANGEBYSCORE", KEYS[1], renewed, now, "WITHSCORES", "LIMIT", 0, 1000)
  for i = 1, #ended, 2 do
    if tonumber(ended[i + 1]) % 1 == 0 then
      redis.call("ZADD", KEYS[1], now + tonumber(ARGV[5]) + 0.5, ended[i])
    end
  end
end
redis.call("ZADD", KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
if ARGV[2] ~= "" then
  redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
  for _, gone in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now - 60000, "LIMIT", 0, 16)) do
    redis.call("ZREM", KEYS[1], gone)
    redis.call("HDEL", KEYS[2], gone)
  end
end
return redis.call("HMGET", KEYS[2], unpack(redis.call("ZRANGEBYSCORE", KEYS[1], now, "+inf")))
