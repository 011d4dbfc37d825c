-- Keep one published state of a user (RFC 3903 §6): a new one, the same one for
-- longer, another one in its place, or none any more. A request that comes
-- twice finds its own tag and is answered alike.
-- A field holds: end in ms, JSON; separated by a space.
--
-- KEYS[1] publications  hash: entity tag to field
-- ARGV[1] tag           entity tag that this request gives
-- ARGV[2] match         entity tag that it names (SIP-If-Match); empty for none
-- ARGV[3] seconds       how long it is kept; 0 removes it
-- ARGV[4] state         JSON; empty keeps what there is
-- ARGV[5] max           states that a user may publish at once
--
-- Returns "published" | "unknown" | "full"
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last, count = 0, 0
local stored = redis.call("HGETALL", KEYS[1])
for i = 1, #stored, 2 do
  local ends = tonumber(string.match(stored[i + 1], "^%d+"))
  if ends <= now then
    redis.call("HDEL", KEYS[1], stored[i])
  else
    if stored[i] ~= ARGV[2] then last = math.max(last, ends) end
    count = count + 1
  end
end
if redis.call("HEXISTS", KEYS[1], ARGV[1]) == 1 then return "published" end
local state, seconds = ARGV[4], tonumber(ARGV[3])
if ARGV[2] ~= "" then
  local known = redis.call("HGET", KEYS[1], ARGV[2])
  if not known then return "unknown" end
  if state == "" then state = string.match(known, "^%d+ (.*)$") end
  redis.call("HDEL", KEYS[1], ARGV[2])
elseif seconds > 0 and count >= tonumber(ARGV[5]) then
  return "full"
end
if seconds > 0 then
  last = math.max(last, now + seconds * 1000)
  redis.call("HSET", KEYS[1], ARGV[1], string.format("%d %s", now + seconds * 1000, state))
end
if last > 0 then redis.call("PEXPIREAT", KEYS[1], last) end
return "published"
