-- Take calls of one bucket that somebody should have looked at by now. Each is
-- put back a lease ahead, so that another process takes it when we die over it.
--
-- KEYS[1] due      sorted set: call ids by the time to look at them, ms
-- ARGV[1] graceMs  how late a call must be, milliseconds
-- ARGV[2] leaseMs  milliseconds until a call may be taken again
-- ARGV[3] limit    how many at most
--
-- Returns {next due time in ms or "", call id, …}
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local calls = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now - tonumber(ARGV[1]), "LIMIT", 0, tonumber(ARGV[3]))
for _, call in ipairs(calls) do
  redis.call("ZADD", KEYS[1], now + tonumber(ARGV[2]), call)
end
local first = redis.call("ZRANGE", KEYS[1], 0, 0, "WITHSCORES")
table.insert(calls, 1, first[2] or "")
return calls
