/**
 * What the scripts (statements.ts, which has the layout of the record) share, in Lua: the time, and the record in hand
 * with the ways to read it, to remove what has run out, to let the next hold, and to write it back. Pieces of text, put
 * together there.
 */

export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
`

/**
 * How long a record stays after its last need: a day, so that tokens grow even if the clock is set back a little, and
 * an hour, so that its expiry is moved once an hour only.
 */
export const STAY = `
local DAY, HOUR = 86400000000, 3600000000
`

/**
 * Numbers are packed: six of them so cost the server a tenth of what text does, and none loses a digit. LIFE is how a
 * ban begins (what it is, its end, how long it lives), and a ticket too, which goes on with its block, when it came,
 * since when it holds and the ttl it claims (0: it does not). Text follows.
 */
export const PACKED = `
local VERSION, HEAD, LIFE, TICKET = 2, '<Bdddddd', '<c1dd', '<c1ddddddd'
local SAFE = 9007199254740991
`

/** A ticket as text, for people. */
export const SHOWN = `
local function shown(record)
  local state, ends, life, token, tokens, entered, since, claim, at = struct.unpack(TICKET, record)
  return string.format('%s %.0f %.0f %.0f %.0f %.0f %.0f ', state, ends, life, token, tokens, entered, since)
    .. string.sub(record, at)
end
`

export const RECORD = `
local CELL, SECOND, PAUSE = 23, 1000000, 50
local match, pack, unpacked = string.match, struct.pack, struct.unpack

-- The record in hand, and the queue as it is stored.
local key, last, stays, far, nearest, seen, held, queue, bans, news, changed, stored

local function text(number) return string.format('%.0f', number) end

local function parse(record)
  local state, ends, life, token, tokens, entered, since, claim, at = unpacked(TICKET, record)
  local mode, limit, channel, cold = match(record, '^(%a) (%S+) (%S+) (.*)$', at)
  return {
    state = state, ends = ends, life = life, token = token, tokens = tokens, entered = entered, since = since,
    claim = claim, mode = mode, limit = limit, channel = channel, cold = cold
  }
end

local function format(t)
  return pack(TICKET, t.state, t.ends, t.life, t.token, t.tokens, t.entered, t.since, t.claim)
    .. t.mode .. ' ' .. t.limit .. ' ' .. t.channel .. ' ' .. t.cold
end

local function split(cells)
  local ids = {}
  for id in string.gmatch(cells, '(%S+) ') do ids[#ids + 1] = id end
  return ids
end

local function fetch(kind, ids)
  local found = {}
  for first = 1, #ids, 1000 do
    local names = {}
    for i = first, math.min(first + 999, #ids) do names[#names + 1] = kind .. ids[i] end
    local part = redis.call('HMGET', key, unpack(names))
    for i = 1, #names do found[first + i - 1] = part[i] end
  end
  return found
end

local function soon(ends)
  if nearest == 0 or ends < nearest then nearest = ends end
  if ends > far then far = ends end
end

-- Zero for the first in line, nil for nobody.
local function place(cells, id)
  local at = string.find(cells, id .. ' ', 1, true)
  return at and (at - 1) / CELL
end

local function without(cells, id)
  local at = place(cells, id)
  return at and string.sub(cells, 1, at * CELL) .. string.sub(cells, (at + 1) * CELL + 1) or cells
end

local function count() return #queue / CELL end

local function size(ids) return #ids == 0 and '' or table.concat(ids, ' ') .. ' ' end

local function ended(record)
  local _, ends = unpacked(LIFE, record)
  return ends <= now
end

-- Removes what has run out, cuts what a clock that was set back has stretched, and finds the nearest end anew.
local function walk(kind, cells)
  local ids, kept, gone = split(cells), {}, 0
  for i, record in ipairs(fetch(kind, ids)) do
    local id, state, ends, life, rest = ids[i]
    if record then state, ends, life, rest = unpacked(LIFE, record) end
    if not ends or ends <= now then
      redis.call('HDEL', key, kind .. id)
      if kind == 't' then redis.call('HDEL', key, 'r' .. id) end
      if i <= held then gone = gone + 1 end
    else
      -- A clock that was set back is told from what a statement of another driver takes.
      if ends > now + life + SECOND then
        ends = now + life
        redis.call('HSET', key, kind .. id, pack(LIFE, state, ends, life) .. string.sub(record, rest))
      end
      kept[#kept + 1] = id
      soon(ends)
    end
  end
  return size(kept), gone
end

-- The dead of a crowd end one by one, and to walk for each of them would be quadratic. So walks have a small share of
-- the server's time: who waits is looked at again after PAUSE for each in line, and at its own step or turn. Who holds
-- ends when it ends.
local function sweep()
  local gone
  nearest, far, changed = 0, 0, true
  queue, gone = walk('t', queue)
  bans = walk('f', bans)
  held = held - gone
  if nearest == 0 then return end
  nearest = math.max(nearest, now + PAUSE * (#queue + #bans) / CELL)
  for _, record in ipairs(fetch('t', split(string.sub(queue, 1, held * CELL)))) do
    local _, ends = unpacked(LIFE, record)
    soon(ends)
  end
end

-- May one more ticket hold, behind those that do?
local function admits(mode, limit)
  if mode == 'x' then return held == 0 end
  if limit ~= '-' and held >= tonumber(limit) then return false end
  return held == 0 or parse(redis.call('HGET', key, 't' .. string.sub(queue, 1, CELL - 1))).mode == 's'
end

-- Marks who holds since now; each is told once, but for the caller itself.
local function promote(own)
  while held < count() do
    local id = string.sub(queue, held * CELL + 1, (held + 1) * CELL - 1)
    local t = parse(redis.call('HGET', key, 't' .. id))
    if t.ends <= now then
      sweep()
    else
      if not admits(t.mode, t.limit) then return end
      t.since = now
      redis.call('HSET', key, 't' .. id, format(t))
      held, changed = held + 1, true
      soon(t.ends)
      if id ~= own and t.channel ~= '-' then
        news[t.channel] = news[t.channel] or {}
        table.insert(news[t.channel], text(t.token))
      end
      if t.mode == 'x' then return end
    end
  end
end

-- What is left of a record of before numbers were packed, once nobody is in it: its tokens, so that the next are
-- greater.
local function adopt(head)
  local a, b = match(head, '^1 (%d+) (%d+) ')
  if not a or queue ~= '' or bans ~= '' then
    error('HOLDFAST this lock is in use by another version of holdfast: let all its processes have one version')
  end
  last, stays = tonumber(a), tonumber(b)
end

-- The caller's ticket and ban, once what has run out is gone.
local function load(name, id)
  local found = redis.call('HMGET', name, 'head', 'queue', 'bans', 't' .. id, 'f' .. id)
  key, queue, bans, news, changed = name, found[2] or '', found[3] or '', {}, false
  last, stays, far, nearest, seen, held, stored = 0, 0, 0, 0, 0, 0, queue
  if not found[1] then return false, false end
  if string.byte(found[1]) ~= VERSION then
    adopt(found[1])
    return false, false
  end
  local _, a, b, c, d, e, f = unpacked(HEAD, found[1])
  last, stays = a, b
  if queue ~= '' or bans ~= '' then far, nearest, seen, held = c, d, e, f end
  local over = (found[4] and ended(found[4])) or (found[5] and ended(found[5]))
  if (now >= nearest or now < seen or over) and (queue ~= '' or bans ~= '') then
    sweep()
    promote(id)
    found = redis.call('HMGET', name, 'head', 'queue', 'bans', 't' .. id, 'f' .. id)
  end
  return found[4], found[5]
end

-- A server whose memory is full refuses what grows, but lets a script finish that has removed something before. So
-- leases live on, unless a ticket is added.
local function save(field, value, added)
  if not added or changed then redis.call('HDEL', key, queue == '' and 'queue' or '', bans == '' and 'bans' or '') end
  local need = math.max(last, far) + DAY
  local moves = need > stays
  if moves then stays = need + HOUR end
  local values = { 'head', pack(HEAD, VERSION, last, stays, far, nearest, now, held) }
  local function set(name, text) values[#values + 1], values[#values + 2] = name, text end
  if queue ~= '' and queue ~= stored then set('queue', queue) end
  if changed and bans ~= '' then set('bans', bans) end
  if field then set(field, value) end
  redis.call('HSET', key, unpack(values))
  if moves then redis.call('PEXPIREAT', key, text(stays / 1000)) end
  for channel, tokens in pairs(news) do
    redis.call('PUBLISH', channel, 'h ' .. table.concat(tokens, ',') .. '\\n' .. key)
  end
end

local function answer(reply)
  if changed then save() end
  return reply
end

-- A live ticket's end only moves later.
local function prolong(t, life)
  if now + life > t.ends then t.ends, t.life = now + life, life end
end

-- Of one that holds. The first time after a wait its end is set, and may so come earlier.
local function claim(t, life)
  if t.claim == 0 then return prolong(t, life) end
  t.life, t.claim = math.max(life, t.claim), 0
  t.ends = now + t.life
end

local function ban(id, reason, message, life)
  if not place(bans, id) then bans = bans .. id .. ' ' end
  soon(now + life)
  redis.call('HDEL', key, '')
  redis.call('HSET', key, 'f' .. id, pack(LIFE, 'f', now + life, life) .. reason .. ' ' .. message)
  changed = true
end
`
