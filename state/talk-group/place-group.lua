-- Say which media instance a group lives on: where it was while that instance
-- is alive, else on the candidate, with the next epoch.
--
-- KEYS[1] placement  string: JSON {instance, epoch}
-- ARGV[1] alive      instances that are alive, JSON array
-- ARGV[2] candidate  instance to move to, empty when there is none
-- ARGV[3] ttlMs      milliseconds that a placement nobody asks for is kept
--
-- Returns {instance, epoch} | {} when nobody can take the group
local text = redis.call("GET", KEYS[1])
local placement = text and cjson.decode(text)
if placement then
  for _, instance in ipairs(cjson.decode(ARGV[1])) do
    if instance == placement.instance then
      redis.call("PEXPIRE", KEYS[1], ARGV[3])
      return { placement.instance, placement.epoch }
    end
  end
end
if ARGV[2] == "" then return {} end
local epoch = (placement and placement.epoch or 0) + 1
redis.call("SET", KEYS[1], cjson.encode({ instance = ARGV[2], epoch = epoch }), "PX", ARGV[3])
return { ARGV[2], epoch }
