-- The bindings of a user that have not expired.
--
-- KEYS[1] bindings  hash: binding key to field (expiry in ms, CSeq, Call-ID, JSON)
--
-- Returns {"bound", now, key, field, …}
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call("HGETALL", KEYS[1])
local reply = { "bound", now }
for i = 1, #stored, 2 do
  if tonumber(string.match(stored[i + 1], "^%d+")) > now then
    reply[#reply + 1] = stored[i]
    reply[#reply + 1] = stored[i + 1]
  end
end
return reply
