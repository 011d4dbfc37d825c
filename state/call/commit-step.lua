-- Replace the record of one call if nobody else has since it was read, keep its
-- place among the calls that somebody must look at, and append its detail records.
--
-- KEYS[1] record    string: 8-character revision, then the record
-- KEYS[2] due       sorted set: call ids by the time to look at them, ms
-- KEYS[3] details   stream: call detail records
-- ARGV[1] call      the call's id
-- ARGV[2] expected  revision that was read; empty when there was no record
-- ARGV[3] value     revision and record to store; empty deletes
-- ARGV[4] ttlMs     milliseconds until an untouched record goes by itself
-- ARGV[5] dueAtMs   epoch ms at which to look at it; empty for never
-- ARGV[6] details   JSON objects, one a line; may be empty
--
-- Returns "committed" | {"conflict", current} | {"conflict"} when there is none
local current = redis.call("GET", KEYS[1])
if (current and string.sub(current, 1, 8) or "") ~= ARGV[2] then
  return current and { "conflict", current } or { "conflict" }
end
if ARGV[3] == "" then
  redis.call("DEL", KEYS[1])
else
  redis.call("SET", KEYS[1], ARGV[3], "PX", ARGV[4])
end
if ARGV[5] == "" then
  redis.call("ZREM", KEYS[2], ARGV[1])
else
  redis.call("ZADD", KEYS[2], ARGV[5], ARGV[1])
end
for line in string.gmatch(ARGV[6], "[^\n]+") do
  redis.call("XADD", KEYS[3], "MAXLEN", "~", 100000, "*", "cdr", line)
end
return "committed"
