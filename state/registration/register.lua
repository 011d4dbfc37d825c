-- Apply one REGISTER to a user's bindings, all of it or nothing
-- (RFC 3261 §10.3 items 6 and 7), and return what is bound then.
-- A field holds: expiry in ms, CSeq, Call-ID, JSON; separated by spaces.
--
-- KEYS[1] bindings  hash: binding key to field
-- ARGV[1] callId    Call-ID of the REGISTER
-- ARGV[2] cseq      its CSeq number
-- ARGV[3] wildcard  1 removes every binding (Contact: *), else 0
-- ARGV[4] max       bindings a user may have; the one that ends first gives way
-- ARGV[5] changes   JSON array of key, seconds (0 removes), record; key, seconds, record …
--
-- Returns {"bound", now, key, field, …} | {"out-of-order"}
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local cseq = tonumber(ARGV[2])
local changes = cjson.decode(ARGV[5])
local bound, ends, count = {}, {}, 0
local stored = redis.call("HGETALL", KEYS[1])
local function older(field)
  local seq, id = string.match(field, "^%d+ (%d+) (%S+) ")
  return id == ARGV[1] and cseq < tonumber(seq)
end
for i = 1, #stored, 2 do
  local expiry = tonumber(string.match(stored[i + 1], "^%d+"))
  if expiry <= now then
    redis.call("HDEL", KEYS[1], stored[i])
  else
    bound[stored[i]], ends[stored[i]], count = stored[i + 1], expiry, count + 1
  end
end
local touched = {}
if ARGV[3] == "1" then
  for key in pairs(bound) do touched[#touched + 1] = { key, 0 } end
else
  for i = 1, #changes, 3 do touched[#touched + 1] = { changes[i], changes[i + 1], changes[i + 2] } end
end
for _, change in ipairs(touched) do
  if bound[change[1]] and older(bound[change[1]]) then return { "out-of-order" } end
end
for _, change in ipairs(touched) do
  local key, seconds = change[1], tonumber(change[2])
  if bound[key] then count = count - 1 end
  bound[key], ends[key] = nil, nil
  if seconds > 0 then
    ends[key] = now + seconds * 1000
    bound[key] = string.format("%d %d %s %s", ends[key], cseq, ARGV[1], change[3])
    redis.call("HSET", KEYS[1], key, bound[key])
    count = count + 1
  else
    redis.call("HDEL", KEYS[1], key)
  end
end
while count > tonumber(ARGV[4]) do
  local first
  for key, expiry in pairs(ends) do
    if not first or expiry < ends[first] or (expiry == ends[first] and key < first) then first = key end
  end
  redis.call("HDEL", KEYS[1], first)
  bound[first], ends[first], count = nil, nil, count - 1
end
local last, reply = 0, { "bound", now }
for key, expiry in pairs(ends) do
  last = math.max(last, expiry)
  reply[#reply + 1] = key
  reply[#reply + 1] = bound[key]
end
if last > 0 then redis.call("PEXPIREAT", KEYS[1], last) end
return reply
