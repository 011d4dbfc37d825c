-- Append entries to the traces of calls, each while it has room, and forget the
-- oldest traces of a bucket that holds too many. A call that fails does not
-- take the others with it.
--
-- KEYS and ARGV of each call, one call after the other:
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
-- Returns for each call "kept" | "full" | "failed"
local function append(trace, traced, call, label, chunk, added, maxBytes, maxEntries, maxCalls, keepMs)
  local head = redis.call("LINDEX", trace, 0)
  local bytes, entries, lost = 0, 0, 0
  if head then
    bytes, entries, lost = string.match(head, "(%d+) (%d+) (%d+)")
  else
    redis.call("RPUSH", trace, "0 0 0")
    redis.call("RPUSH", traced, call .. " " .. label)
    redis.call("PEXPIRE", traced, keepMs)
    local prefix = string.sub(trace, 1, #trace - #call)
    for _ = 1, redis.call("LLEN", traced) - tonumber(maxCalls) do
      local oldest = string.match(redis.call("LPOP", traced), "^%S+")
      if oldest ~= call then redis.call("DEL", prefix .. oldest) end
    end
  end
  local full = bytes + #chunk > tonumber(maxBytes) or entries + added > tonumber(maxEntries)
  if full then
    lost = lost + added
  else
    redis.call("RPUSH", trace, chunk)
    bytes, entries = bytes + #chunk, entries + added
  end
  redis.call("LSET", trace, 0, string.format("%d %d %d", bytes, entries, lost))
  redis.call("PEXPIRE", trace, keepMs)
  return full and "full" or "kept"
end

local outcomes = {}
for i = 1, #KEYS / 2 do
  local done, outcome = pcall(append, KEYS[2 * i - 1], KEYS[2 * i], unpack(ARGV, 8 * i - 7, 8 * i))
  outcomes[i] = done and outcome or "failed"
end
return outcomes
