-- Append entries to the trace of one call while it has room, and forget the
-- oldest traces of the bucket when it holds too many.
--
-- KEYS[1] trace        list: "bytes entries lost", then chunks
-- KEYS[2] traced       list: "call start Call-ID" of calls with a trace, oldest first
-- ARGV[1] call         the call's id
-- ARGV[2] label        start in ms and Call-ID, for the list of traced calls
-- ARGV[3] chunk        entries as one text
-- ARGV[4] entries      how many
-- ARGV[5] maxBytes     longest trace of a call
-- ARGV[6] maxEntries   most entries of a call
-- ARGV[7] maxCalls     traces in this bucket
-- ARGV[8] keepMs       milliseconds that a trace is kept after its last entry
--
-- Returns "kept" | "full"
local head = redis.call("LINDEX", KEYS[1], 0)
local bytes, entries, lost = 0, 0, 0
if head then
  bytes, entries, lost = string.match(head, "(%d+) (%d+) (%d+)")
else
  redis.call("RPUSH", KEYS[1], "0 0 0")
  redis.call("RPUSH", KEYS[2], ARGV[1] .. " " .. ARGV[2])
  redis.call("PEXPIRE", KEYS[2], ARGV[8])
  local prefix = string.sub(KEYS[1], 1, #KEYS[1] - #ARGV[1])
  for _ = 1, redis.call("LLEN", KEYS[2]) - tonumber(ARGV[7]) do
    local oldest = string.match(redis.call("LPOP", KEYS[2]), "^%S+")
    if oldest ~= ARGV[1] then redis.call("DEL", prefix .. oldest) end
  end
end
local full = bytes + #ARGV[3] > tonumber(ARGV[5]) or entries + ARGV[4] > tonumber(ARGV[6])
if full then
  lost = lost + ARGV[4]
else
  redis.call("RPUSH", KEYS[1], ARGV[3])
  bytes, entries = bytes + #ARGV[3], entries + ARGV[4]
end
redis.call("LSET", KEYS[1], 0, string.format("%d %d %d", bytes, entries, lost))
redis.call("PEXPIRE", KEYS[1], ARGV[8])
return full and "full" or "kept"
