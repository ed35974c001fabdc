/**
 * The rule (store/queue.ts) in Lua: one script a verb, so that a verb is atomic and costs one round trip.
 *
 * A lock is ONE hash, so its parts cannot be evicted apart:
 *
 *   head   version, end of the last block, end of the record itself, farthest and nearest end of a life, time of the last
 *          step that gave time to somebody, number that hold; all but the first three mean nothing while nobody is in it
 *   queue  the ids in order, in cells of one width: a place is found, cut out and counted without touching the tickets
 *   bans   the ids that are forbidden, in the same cells
 *   t<id>  a ticket; what decides comes first, what people see last
 *   r<id>  why it was revoked        f<id>  why an id is forbidden, and until when
 *
 * A step looks at the tickets it concerns, not at all of them: enter at its own, leave at the next in line. All are walked
 * only when the clock has passed the nearest end of a life, or was set back since the last step; then what has run out is
 * removed, and what the clock has stretched is cut. So a crowd of waiters costs a section nothing.
 *
 * What nearly all steps are comes first in its script, before anything is defined that it does not need: to enter a free
 * lock, to queue for an exclusive one, and to leave it to nobody or to the next, while no life is near its end. To leave
 * writes no head: the number that hold, 1, is then the next one's.
 *
 * Time is microseconds since 1970 by the server. Numbers leave Lua through string.format: tostring(1795240547670301) would
 * round to 1.7952405476703e+15. Every answer is one text, the same through every client and protocol.
 */
import { script } from './clients.ts'

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
`

/** How long a record stays after its last need: a day, so that tokens grow even if the clock is set back a little, and an hour, so that its expiry is moved once an hour only. */
const STAY = `
local DAY, HOUR = 86400000000, 3600000000
`

const RECORD = `
local CELL = 23
local TICKET = '^(%a) (%d+) (%d+) (%d+) (%d+) (%a) (%S+) (%S+) (%d+) (%S+) (.*)$'
local match = string.match

-- The record in hand.
local key, last, stays, far, nearest, seen, held, queue, bans, news, changed

local function text(number) return string.format('%.0f', number) end

local function parse(record)
  local state, ends, life, token, tokens, mode, limit, channel, entered, since, cold = match(record, TICKET)
  return { state = state, ends = tonumber(ends), life = tonumber(life), token = token, tokens = tokens, mode = mode, limit = limit, channel = channel, entered = entered, since = since, cold = cold }
end

local function format(t)
  return table.concat({ t.state, text(t.ends), text(t.life), t.token, t.tokens, t.mode, t.limit, t.channel, t.entered, t.since, t.cold }, ' ')
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

-- Removes what has run out, cuts what a clock that was set back has stretched, and finds the nearest end anew.
local function walk(kind, cells)
  local ids, kept, gone = split(cells), {}, 0
  for i, record in ipairs(fetch(kind, ids)) do
    local id, state, ends, life, rest = ids[i], match(record or '', '^(%a) (%d+) (%d+)(.*)$')
    ends, life = tonumber(ends), tonumber(life)
    if not ends or ends <= now then
      redis.call('HDEL', key, kind .. id)
      if kind == 't' then redis.call('HDEL', key, 'r' .. id) end
      if i <= held then gone = gone + 1 end
    else
      if ends > now + life then
        ends = now + life
        redis.call('HSET', key, kind .. id, state .. ' ' .. text(ends) .. ' ' .. text(life) .. rest)
      end
      kept[#kept + 1] = id
      soon(ends)
    end
  end
  return size(kept), gone
end

local function sweep()
  local gone
  nearest, far, changed = 0, 0, true
  queue, gone = walk('t', queue)
  bans = walk('f', bans)
  held = held - gone
end

-- May one more ticket hold, behind those that do?
local function admits(mode, limit)
  if mode == 'x' then return held == 0 end
  if limit ~= '-' and held >= tonumber(limit) then return false end
  return held == 0 or match(redis.call('HGET', key, 't' .. string.sub(queue, 1, CELL - 1)), '^%a %d+ %d+ %d+ %d+ (%a)') == 's'
end

-- Marks who holds since now; each is told once, but for the caller itself.
local function promote(own)
  while held < count() do
    local id = string.sub(queue, held * CELL + 1, (held + 1) * CELL - 1)
    local t = parse(redis.call('HGET', key, 't' .. id))
    if not admits(t.mode, t.limit) then return end
    t.since = text(now)
    redis.call('HSET', key, 't' .. id, format(t))
    held, changed = held + 1, true
    if id ~= own and t.channel ~= '-' then
      news[t.channel] = news[t.channel] or {}
      table.insert(news[t.channel], t.token)
    end
    if t.mode == 'x' then return end
  end
end

-- The caller's ticket and ban, once what has run out is gone.
local function load(name, id)
  local found = redis.call('HMGET', name, 'head', 'queue', 'bans', 't' .. id, 'f' .. id)
  key, queue, bans, news, changed = name, found[2] or '', found[3] or '', {}, false
  last, stays, far, nearest, seen, held = 0, 0, 0, 0, 0, 0
  if not found[1] then return false, false end
  local a, b, c, d, e, f = match(found[1], '^1 (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  if not a then error('HOLDFAST the record of this lock was written by another version of holdfast') end
  last, stays = tonumber(a), tonumber(b)
  if queue ~= '' or bans ~= '' then far, nearest, seen, held = tonumber(c), tonumber(d), tonumber(e), tonumber(f) end
  if (now >= nearest or now < seen) and (queue ~= '' or bans ~= '') then
    sweep()
    promote(id)
    found = redis.call('HMGET', name, 'head', 'queue', 'bans', 't' .. id, 'f' .. id)
  end
  return found[4], found[5]
end

-- A server whose memory is full refuses what grows, but lets a script finish that has removed something before. So leases
-- live on, unless a ticket is added.
local function save(field, value, added)
  if not added or changed then redis.call('HDEL', key, queue == '' and 'queue' or '', bans == '' and 'bans' or '') end
  local need = math.max(last, far) + DAY
  local moves = need > stays
  if moves then stays = need + HOUR end
  local values = { 'head', string.format('1 %.0f %.0f %.0f %.0f %.0f %.0f', last, stays, far, nearest, now, held) }
  local function set(name, text) values[#values + 1], values[#values + 2] = name, text end
  if queue ~= '' then set('queue', queue) end
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

local function ban(id, reason, message, life)
  if not place(bans, id) then bans = bans .. id .. ' ' end
  soon(now + life)
  redis.call('HDEL', key, '')
  redis.call('HSET', key, 'f' .. id, 'f ' .. text(now + life) .. ' ' .. text(life) .. ' ' .. reason .. ' ' .. message)
  changed = true
end
`

/** ARGV: id, known token or '', ttl, waiterTtl, '1' to queue, tokens, then mode, limit or '-' and channel or '-' in one, and what people see. */
export const ENTER = script(`${NOW}${STAY}
local state = redis.call('HMGET', KEYS[1], 'head', 'queue', 'bans', 't' .. ARGV[1])
local queue = state[2] or ''
local last, stays, far, nearest, seen, held = string.match(state[1] or '1 0 0 0 0 0 0', '^1 (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
local quick = last and not state[3] and not state[4] and ARGV[2] == ''
if quick and queue ~= '' then
  quick = ARGV[5] == '1' and string.byte(ARGV[7]) == 120 and now >= tonumber(seen) and nearest - now >= ARGV[4] / 3
end
local token = quick and math.max(last, now)
if quick and token + ARGV[6] <= 9007199254740991 then
  local holds = queue == ''
  local life = holds and ARGV[3] or ARGV[4]
  local first, clock, after, ends = string.match(string.format('%.0f %.0f %.0f %.0f', token, now, token + ARGV[6], now + life), '^(%d+) (%d+) (%d+) (%d+)$')
  if holds then far, nearest, held = ends, ends, '1' end
  if tonumber(ends) > tonumber(far) then far = ends end
  if tonumber(ends) < tonumber(nearest) then nearest = ends end
  local need = math.max(after, far) + DAY
  local moves = need > tonumber(stays)
  if moves then stays = string.format('%.0f', need + HOUR) end
  local since = holds and clock or '-'
  redis.call('HSET', KEYS[1], 'head', '1 ' .. after .. ' ' .. stays .. ' ' .. far .. ' ' .. nearest .. ' ' .. clock .. ' ' .. held, 'queue', queue .. ARGV[1] .. ' ',
    't' .. ARGV[1], 'n ' .. ends .. ' ' .. life .. ' ' .. first .. ' ' .. ARGV[6] .. ' ' .. ARGV[7] .. ' ' .. clock .. ' ' .. since .. ' ' .. ARGV[8])
  if moves then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', stays / 1000)) end
  if holds then return 'holds ' .. first .. ' ' .. life .. ' 0' end
  return 'waits ' .. first .. ' ' .. life .. string.format(' %.0f %.0f', #queue / 23, life / 3)
end
${RECORD}
local id, known, ttl, waiterTtl, tokens = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6])
local mode, limit, channel = match(ARGV[7], '^(%a) (%S+) (%S+)$')

-- The next end of a life before it, if that is what makes this ticket hold; otherwise its heartbeat.
local function retry(own, at)
  local beat = waiterTtl / 3
  if nearest - now >= beat then return beat end
  sweep()
  if nearest - now >= beat then return beat end
  local line, first = {}, nil
  for i, record in ipairs(fetch('t', split(string.sub(queue, 1, at * CELL)))) do
    line[i] = parse(record)
    if not first or line[i].ends < first then first = line[i].ends end
  end
  if first - now >= beat then return beat end
  local before, closed = 0, false
  line[at + 1] = own
  for _, t in ipairs(line) do
    if t == own or t.ends > first then
      if closed or (t.mode == 'x' and before > 0) or (t.limit ~= '-' and before >= tonumber(t.limit)) then return beat end
      before, closed = before + 1, t.mode == 'x'
    end
  end
  return first - now
end

local function standing(t, at, holds)
  if holds then return table.concat({ 'holds', t.token, text(math.min(t.ends - now, ttl)), text(math.max(0, count() - held)) }, ' ') end
  return table.concat({ 'waits', t.token, text(t.ends - now), text(at), text(retry(t, at)) }, ' ')
end

local ticket, banned = load(KEYS[1], id)
if banned then return answer((match(banned, '^f %d+ %d+ (.*)$'))) end
if ticket then
  local t = parse(ticket)
  if t.state == 'k' or t.state == 'b' then return answer('kept') end
  if t.state == 'r' then return answer('revoked ' .. redis.call('HGET', key, 'r' .. id)) end
  local at = place(queue, id)
  local holds = at < held
  if channel ~= '-' then t.channel = channel end
  prolong(t, holds and ttl or waiterTtl)
  local reply = standing(t, at, holds)
  soon(t.ends)
  save('t' .. id, format(t))
  return reply
end
if known ~= '' then return answer('gone') end

local at = count()
local holds = held == at and admits(mode, limit)
if not holds and ARGV[5] ~= '1' then
  local line, first = fetch('t', split(string.sub(queue, 1, held * CELL))), nil
  for _, record in ipairs(line) do
    local ends = tonumber(match(record, '^%a (%d+)'))
    if not first or ends < first then first = ends end
  end
  return answer('refused ' .. text(first - now) .. ' ' .. text(now) .. '\\n' .. table.concat(line, '\\n'))
end

local token = math.max(last, now)
if token + tokens > 9007199254740991 then error('HOLDFAST the next token is beyond the safe integers') end
local life = holds and ttl or waiterTtl
local t = {
  ends = now + life, life = life, token = text(token), tokens = ARGV[6], mode = mode, limit = limit, channel = channel,
  state = 'n', entered = text(now), since = holds and text(now) or '-', cold = ARGV[8],
}
local reply = standing(t, at, holds)
last, queue, held = token + tokens, queue .. id .. ' ', holds and held + 1 or held
soon(t.ends)
save('t' .. id, format(t), true)
return reply
`)

/** KEYS and, for each, two of ARGV: id, ttl. An answer is a line. */
export const RENEW = script(`${NOW}${STAY}${RECORD}
local function renew(name, id, ttl)
  local ticket, banned = load(name, id)
  local reason = banned and match(banned, '^f %d+ %d+ revoked (.*)$')
  local t = ticket and parse(ticket)
  if t and (t.state == 'r' or t.state == 'b') then reason = redis.call('HGET', key, 'r' .. id) end
  if reason then return answer('revoked ' .. reason) end
  local at = place(queue, id)
  if not t or t.state == 'k' or at >= held then return answer('gone') end
  prolong(t, ttl)
  soon(t.ends)
  save('t' .. id, format(t))
  return 'held ' .. text(math.min(t.ends - now, ttl)) .. ' ' .. text(count() - held)
end

local lines = {}
for i, name in ipairs(KEYS) do
  local done, line = pcall(renew, name, ARGV[2 * i - 1], tonumber(ARGV[2 * i]))
  if not done then
    local problem = type(line) == 'table' and line.err or tostring(line)
    -- One key that is in somebody else's use must not cost the others their leases.
    if #KEYS == 1 or not (string.find(problem, 'WRONGTYPE', 1, true) or string.find(problem, 'HOLDFAST', 1, true)) then error(line) end
    line = 'unknown ' .. string.gsub(problem, '\\n', ' ')
  end
  lines[i] = line
end
return table.concat(lines, '\\n')
`)

/** ARGV: id, how long to keep it, how long to forbid it. */
export const LEAVE = script(`${NOW}
local state = redis.call('HMGET', KEYS[1], 'head', 'queue', 'bans', 't' .. ARGV[1])
local queue = state[2]
if queue and string.sub(queue, 1, 23) == ARGV[1] .. ' ' and not state[3] and ARGV[2] == '0' and ARGV[3] == '0' and string.byte(state[4]) == 110 then
  local nearest, seen = string.match(state[1], '^1 %d+ %d+ %d+ (%d+) (%d+) 1$')
  if nearest and now < tonumber(nearest) and now >= tonumber(seen) then
    if #queue == 23 then
      redis.call('HDEL', KEYS[1], 'queue', 't' .. ARGV[1])
      return 'held'
    end
    local heir = 't' .. string.sub(queue, 24, 45)
    local before, token, channel, behind = string.match(redis.call('HGET', KEYS[1], heir), '^(n %d+ %d+ (%d+) %d+ x %S+ (%S+) %d+ )%-( .*)$')
    if before then
      redis.call('HDEL', KEYS[1], 't' .. ARGV[1])
      redis.call('HSET', KEYS[1], 'queue', string.sub(queue, 24), heir, before .. string.format('%.0f', now) .. behind)
      if channel ~= '-' then redis.call('PUBLISH', channel, 'h ' .. token .. '\\n' .. KEYS[1]) end
      return 'held'
    end
  end
end
${STAY}${RECORD}
local id, keep, forbid = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local ticket = load(KEYS[1], id)
if forbid > 0 then ban(id, 'left', '', forbid) end
local t = ticket and parse(ticket)
if not t or t.state == 'k' or t.state == 'b' then return answer('absent') end
local holds = place(queue, id) < held
if holds and keep > 0 then
  t.ends, t.life, t.state = now + keep, keep, t.state == 'r' and 'b' or 'k'
  soon(t.ends)
  redis.call('HSET', key, 't' .. id, format(t))
else
  redis.call('HDEL', key, 't' .. id, 'r' .. id)
  queue = without(queue, id)
  if holds then held = held - 1 end
  promote(id)
end
changed = true
return answer(holds and 'held' or 'waiting')
`)

/** ARGV: 'holders', 'all' or a token; reason; '1' to take held ones too; how long an id stays forbidden at least. */
export const REVOKE = script(`${NOW}${STAY}${RECORD}
local which, reason, take, least = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])

-- It came to hold in this very step, and is taken before anybody heard of it.
local function unsay(t)
  local others = {}
  for _, token in ipairs(news[t.channel] or {}) do
    if token ~= t.token then others[#others + 1] = token end
  end
  news[t.channel] = #others > 0 and others or nil
end

load(KEYS[1], '')
local ids, holders, told = split(queue), held, {}
for i, record in ipairs(fetch('t', ids)) do
  local id, t, holds = ids[i], parse(record), i <= holders
  local chosen = which == 'all' or (which == 'holders' and holds)
  if tonumber(which) then chosen = tonumber(t.token) <= tonumber(which) and tonumber(which) < t.token + t.tokens end
  if chosen then
    told[#told + 1] = t
    changed = true
    if holds and not take then
      t.state = (t.state == 'k' or t.state == 'b') and 'b' or 'r'
      redis.call('HSET', key, 't' .. id, format(t), 'r' .. id, reason)
    else
      redis.call('HDEL', key, 't' .. id, 'r' .. id)
      queue = without(queue, id)
      if holds then held = held - 1 end
      unsay(t)
      ban(id, 'revoked', reason, math.max(least, t.life))
    end
  end
end
promote('')
for _, t in ipairs(told) do
  if t.channel ~= '-' then redis.call('PUBLISH', t.channel, 'r ' .. t.token .. ' ' .. reason .. '\\n' .. key) end
end
return answer(text(#told))
`)

/** Everything as it is, expired tickets included; writes nothing. */
export const LOOK = script(`
local key, time = KEYS[1], redis.call('TIME')
local found = redis.call('HMGET', key, 'head', 'queue')
local lines = { string.format('%.0f', time[1] * 1000000 + time[2]) .. ' ' .. (string.match(found[1] or '', '^1 (%d+)') or '0') }
for id in string.gmatch(found[2] or '', '(%S+) ') do lines[#lines + 1] = redis.call('HGET', key, 't' .. id) or nil end
return table.concat(lines, '\\n')
`)
