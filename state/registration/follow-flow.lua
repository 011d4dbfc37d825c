-- Note which flow a leg of a call is reached by, among the legs of one user that
-- follow a registration. The longest unchanged give way when there are too many.
--
-- KEYS[1] followers  hash: leg id to "time in ms, flow, binding key"
-- ARGV[1] leg        the leg's id
-- ARGV[2] flow       name of the flow, without spaces
-- ARGV[3] binding    key of the registration
-- ARGV[4] max        legs that one user may have here
-- ARGV[5] ttlMs      milliseconds until an untouched list goes by itself
--
-- Returns "noted"
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("HSET", KEYS[1], ARGV[1], string.format("%d %s %s", now, ARGV[2], ARGV[3]))
redis.call("PEXPIRE", KEYS[1], ARGV[5])
local over = redis.call("HLEN", KEYS[1]) - tonumber(ARGV[4])
while over > 0 do
  local stored, oldest, since = redis.call("HGETALL", KEYS[1]), nil, nil
  for i = 1, #stored, 2 do
    local at = tonumber(string.match(stored[i + 1], "^%d+"))
    if not since or at < since then oldest, since = stored[i], at end
  end
  redis.call("HDEL", KEYS[1], oldest)
  over = over - 1
end
return "noted"
