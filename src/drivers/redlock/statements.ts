/**
 * What one node does, one script for each verb. A node knows one place for a key: it is free, reserved, or held.
 *
 * `reserve` (the first round) takes a free place for a short time. A reservation is a promise to nobody yet: one of a
 * smaller id displaces it, so that of contenders who met on the nodes in different order one wins instead of none.
 * `commit` (the second round) turns the reservation into a ticket, with a token that this node has not given before. A
 * ticket goes only when it is left, or its time is up. So whoever has tickets on a majority is alone in that, and with
 * `end <= token` checked under the same lock the tokens of a key grow on every node in the order of the commits.
 *
 * A record is one hash, so that it is there whole or not at all:
 *   end                        the first token that no committed block has had yet
 *   id token tokens attempt    the ticket; token 0: only reserved
 *   holder meta since expires life
 *   kept revoked               set: left by its owner but kept; why it may not be renewed
 *   f:ID                       an id that may not come (back): "until life kind attempt message"
 * Times are the node's own, in milliseconds.
 */
import { script } from '../redis/connection.ts'

// Numbers leave Lua as text: tostring(1795240547670301) would round to "1.7952405476703e+15".
const COMMON = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local micros = clock[1] * 1000000 + clock[2]
local DAY = 86400000

local function whole(n) return string.format('%.0f', n) end
local function exact(n) return string.format('%.3f', n) end

local function vacate(lock)
  local fields = {'id', 'token', 'tokens', 'attempt', 'holder', 'meta', 'since', 'expires', 'life', 'kept', 'revoked'}
  for _, field in ipairs(fields) do lock[field] = nil end
end

-- Removes what has run out, and cuts what a clock that was set back has stretched.
local function load(key)
  local flat, was, lock = redis.call('HGETALL', key), {}, {}
  for i = 1, #flat, 2 do was[flat[i]] = flat[i + 1] lock[flat[i]] = flat[i + 1] end
  if lock.id then
    local expires, life = tonumber(lock.expires), tonumber(lock.life)
    if expires <= now then vacate(lock) elseif expires > now + life then lock.expires = exact(now + life) end
  end
  for field, text in pairs(was) do
    if string.sub(field, 1, 2) == 'f:' then
      local till, life, rest = string.match(text, '^(%S+) (%S+) (.*)$')
      if tonumber(till) <= now then lock[field] = nil
      elseif tonumber(till) > now + tonumber(life) then
        lock[field] = exact(now + life) .. ' ' .. life .. ' ' .. rest
      end
    end
  end
  return lock, was
end

-- Kept for a day after the clock has passed the last token, so that tokens grow even if it is set back a little.
local function save(key, lock, was)
  local stay = lock['end'] and lock['end'] / 1000 + DAY or 0
  if lock.id then stay = math.max(stay, tonumber(lock.expires)) end
  for field, text in pairs(lock) do
    if string.sub(field, 1, 2) == 'f:' then stay = math.max(stay, tonumber(string.match(text, '^%S+'))) end
    if was[field] ~= text then redis.call('HSET', key, field, text) end
  end
  for field in pairs(was) do
    if not lock[field] then redis.call('HDEL', key, field) end
  end
  if stay > now then redis.call('PEXPIRE', key, whole(math.ceil(stay - now))) else redis.call('DEL', key) end
end

local function forbid(lock, id, kind, attempt, message, life)
  lock['f:' .. id] = exact(now + life) .. ' ' .. exact(life) .. ' ' .. kind .. ' ' .. attempt .. ' ' .. message
end

-- Why a request of this id may not be carried out. Undone: its own attempt was given up, and the request is late.
local function barred(lock, id, attempt)
  if lock.id == id and lock.revoked then return 'revoked', lock.revoked end
  local text = lock['f:' .. id]
  if not text then return nil end
  local kind, undone, message = string.match(text, '^%S+ %S+ (%S+) (%S+) (.*)$')
  if kind == 'undone' and tonumber(attempt) > tonumber(undone) then return nil end
  return kind, message
end

-- A live ticket's end only moves later.
local function refresh(lock, life)
  if now + life > tonumber(lock.expires) then lock.expires = exact(now + life) lock.life = exact(life) end
end

local function left(lock) return exact(tonumber(lock.expires) - now) end

-- A node that has started within maxTtl may have forgotten a ticket, and has no vote unless its run is trusted. Its
-- uptime counts from the full second before it started, so a second is taken off; it is below zero where the clock was
-- set back.
local function voter(maxTtl, trusted)
  local info = redis.call('INFO', 'server')
  local run, uptime = string.match(info, 'run_id:(%w+)'), string.match(info, 'uptime_in_seconds:(-?%d+)')
  return run == trusted or (uptime - 1) * 1000 > tonumber(maxTtl), run, uptime
end

local function view(lock)
  local marks = (lock.kept and 'k' or '') .. (lock.revoked and 'r' or '')
  return lock.id, lock.token, lock.tokens, lock.holder, lock.meta, exact(now - lock.since), left(lock), marks
end
`

/** id attempt token tokens holder meta life ttl maxTtl trusted. With a token: refreshes the ticket, never adds one. */
export const RESERVE = script(`${COMMON}
local lock, was = load(KEYS[1])
local id, attempt, token, tokens, holder, meta, life, ttl, maxTtl, trusted = unpack(ARGV)
if lock.id == id and lock.kept then return cjson.encode({'barred', 'left', 'the ticket was left and is kept'}) end
local kind, message = barred(lock, id, attempt)
if kind then return cjson.encode({'barred', kind, message}) end
local run = ''

if lock.id ~= id then
  if token ~= '0' then return cjson.encode({'gone'}) end
  if lock.id and (lock.token ~= '0' or lock.id < id) then return cjson.encode({'taken', view(lock)}) end
  local votes, uptime
  votes, run, uptime = voter(maxTtl, trusted)
  if not votes then return cjson.encode({'young', run, uptime}) end
  vacate(lock)
  lock.id, lock.token, lock.tokens, lock.attempt = id, '0', tokens, attempt
  lock.holder, lock.meta, lock.since = holder, meta, exact(now)
  lock.expires, lock.life = exact(now + life), exact(life)
elseif lock.token == '0' and token ~= '0' then
  return cjson.encode({'gone'})
else
  refresh(lock, lock.token == '0' and life or ttl)
  if tonumber(attempt) > tonumber(lock.attempt) then lock.attempt = attempt end
end
save(KEYS[1], lock, was)

local last = tonumber(lock['end'] or '0')
local others = lock.token ~= '0' and last == lock.token + lock.tokens and tonumber(lock.token) or last
return cjson.encode({'mine', lock.token, whole(others), whole(last), whole(micros), left(lock), run})
`)

/** id attempt token ttl */
export const COMMIT = script(`${COMMON}
local lock, was = load(KEYS[1])
local id, attempt, token, ttl = unpack(ARGV)
local kind, message = barred(lock, id, attempt)
if kind then return cjson.encode({'barred', kind, message}) end
if lock.id ~= id or lock.kept then return cjson.encode({'gone'}) end
local last = tonumber(lock['end'] or '0')
if lock.token ~= token and last > tonumber(token) then return cjson.encode({'passed'}) end
if lock.token == '0' then lock.since = exact(now) end
lock.token = token
lock['end'] = whole(math.max(last, token + lock.tokens))
refresh(lock, ttl)
save(KEYS[1], lock, was)
return cjson.encode({'held', left(lock)})
`)

/** For each key: id ttl. A place that is only reserved is not held. */
export const RENEW = script(`${COMMON}
local answers = {}
for i, key in ipairs(KEYS) do
  local lock, was = load(key)
  local id, ttl = ARGV[2 * i - 1], ARGV[2 * i]
  local kind, message = barred(lock, id, 0)
  if kind == 'revoked' then
    answers[i] = {'revoked', message}
  elseif lock.id ~= id or lock.token == '0' or lock.kept then
    answers[i] = {'gone'}
  else
    refresh(lock, ttl)
    save(key, lock, was)
    answers[i] = {'held', left(lock)}
  end
end
return cjson.encode(answers)
`)

/** id token tokens holder meta ttl maxTtl trusted: a held ticket, put back on a node that has lost it. */
export const ADOPT = script(`${COMMON}
local lock, was = load(KEYS[1])
local id, token, tokens, holder, meta, ttl, maxTtl, trusted = unpack(ARGV)
if barred(lock, id, 0) or lock.id or tonumber(lock['end'] or '0') > token + tokens then return cjson.encode({'no'}) end
local votes, run = voter(maxTtl, trusted)
if not votes then return cjson.encode({'young', run}) end
lock.id, lock.token, lock.tokens, lock.attempt = id, token, tokens, '0'
lock.holder, lock.meta, lock.since = holder, meta, exact(now)
lock.expires, lock.life = exact(now + ttl), exact(ttl)
lock['end'] = whole(token + tokens)
save(KEYS[1], lock, was)
return cjson.encode({'ok'})
`)

/** id keep forbid */
export const LEAVE = script(`${COMMON}
local lock, was = load(KEYS[1])
local id, keep, life = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if life > 0 then forbid(lock, id, 'left', 0, 'its owner gave it up', life) end
local answer = 'absent'
if lock.id == id and not lock.kept then
  if lock.token ~= '0' then answer = 'held' end
  if answer == 'held' and keep > 0 then
    lock.kept, lock.expires, lock.life = '1', exact(now + keep), exact(keep)
  else
    vacate(lock)
  end
end
save(KEYS[1], lock, was)
return cjson.encode({answer})
`)

/**
 * id attempt forbid: takes back what this attempt, or an earlier one of the id, has left; a request still under way
 * must do nothing.
 */
export const UNDO = script(`${COMMON}
local lock, was = load(KEYS[1])
local id, attempt, life = ARGV[1], ARGV[2], tonumber(ARGV[3])
local kind = barred(lock, id, attempt)
if life > 0 and kind ~= 'left' and kind ~= 'revoked' then forbid(lock, id, 'undone', attempt, '-', life) end
if lock.id == id and not lock.kept and tonumber(lock.attempt) <= tonumber(attempt) then vacate(lock) end
save(KEYS[1], lock, was)
return cjson.encode({'ok'})
`)

export const LOOK = script(`${COMMON}
local lock = load(KEYS[1])
if not lock.id then return cjson.encode({'free'}) end
return cjson.encode({'taken', view(lock)})
`)

/**
 * id reason now life: marks the ticket, or takes it at once. Where it is not, the id is barred, so that it is not put
 * back either.
 */
export const REVOKE = script(`${COMMON}
local lock, was = load(KEYS[1])
local id, reason, life = ARGV[1], ARGV[2], tonumber(ARGV[4])
if lock.id == id and ARGV[3] == '0' then
  lock.revoked = reason
else
  if lock.id == id then
    life = math.max(life, tonumber(lock.life))
    vacate(lock)
  end
  forbid(lock, id, 'revoked', 0, reason, life)
end
save(KEYS[1], lock, was)
return cjson.encode({'ok'})
`)
