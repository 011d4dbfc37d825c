-- Count one sign-in attempt in a window that starts with the first of them.
--
-- KEYS[1] attempts  integer: attempts in the window
-- ARGV[1] windowMs  milliseconds until the count starts anew
--
-- Returns {attempts, milliseconds until the window ends}
local attempts = redis.call("INCR", KEYS[1])
local left = redis.call("PTTL", KEYS[1])
if left < 0 then
  left = tonumber(ARGV[1])
  redis.call("PEXPIRE", KEYS[1], left)
end
return { attempts, left }
