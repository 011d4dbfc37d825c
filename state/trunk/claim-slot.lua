-- Counts a call against its trunk's limits, once however often it is asked.
--
-- KEYS[1] calls   sorted set: calls that the trunk carries, by when each is to be looked at
-- KEYS[2] starts  sorted set: calls of the last minute, by when they began
-- ARGV[1] call
-- ARGV[2] maxCalls   0 for no limit
-- ARGV[3] perSecond  0 for no limit
-- ARGV[4] checkMs    when the call is to be looked at first, from now
-- ARGV[5] ttlMs      how long the set lives when nobody touches it
--
-- Returns "claimed" | "full" | "too-fast"
local calls, starts = KEYS[1], KEYS[2]
local call, maxCalls, perSecond = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call("ZSCORE", calls, call) then return "claimed" end
if maxCalls > 0 and redis.call("ZCARD", calls) >= maxCalls then return "full" end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", starts, "-inf", now - 60000)
if perSecond > 0 and redis.call("ZCOUNT", starts, "(" .. now - 1000, "+inf") >= perSecond then return "too-fast" end
redis.call("ZADD", calls, now + ARGV[4], call)
redis.call("PEXPIRE", calls, ARGV[5])
redis.call("ZADD", starts, now, call)
-- Bounded whatever the rate: a display, and the last second of it a limit.
redis.call("ZREMRANGEBYRANK", starts, 0, -20001)
redis.call("PEXPIRE", starts, 60000)
return "claimed"
