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
 * A step looks at the tickets it concerns, not at all of them: enter at its own, leave at the next in line. All are
 * walked only when the clock has passed the nearest end of a life, or was set back since the last step; then what has
 * run out is removed, and what the clock has stretched is cut. So a crowd of waiters costs a section nothing.
 *
 * What nearly all steps are comes first in its script, before anything is defined that it does not need: to enter a
 * free lock, to queue for an exclusive one, and to leave it to nobody or to the next, while no life is near its end. To
 * leave writes no head: the number that hold, 1, is then the next one's.
 *
 * Time is microseconds since 1970 by the server. Numbers leave Lua through string.format: tostring(1795240547670301)
 * would round to 1.7952405476703e+15. Every answer is one text, the same through every client and protocol.
 */
import { script } from './connection.ts'
import { NOW, RECORD, STAY } from './lua.ts'

/**
 * ARGV: id, known token or '', ttl, waiterTtl, '1' to queue, tokens, then mode, limit or '-' and channel or '-' in one,
 * and what people see.
 */
export const ENTER = script(`${NOW}${STAY}
local state = redis.call('HMGET', KEYS[1], 'head', 'queue', 'bans', 't' .. ARGV[1])
local queue = state[2] or ''
local last, stays, far, nearest, seen, held = string.match(state[1] or '1 0 0 0 0 0 0', '^1 (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
local quick = last and not state[3] and not state[4] and ARGV[2] == ''
if quick and queue ~= '' then
  quick = ARGV[5] == '1' and string.byte(ARGV[7]) == 120 and now >= tonumber(seen) and now < tonumber(nearest)
  if quick and nearest - now < ARGV[4] / 3 then
    local ends = string.match(redis.call('HGET', KEYS[1], 't' .. string.sub(queue, -23, -2)), '^%a (%d+)')
    quick = ends - now >= ARGV[4] / 3
  end
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

-- The end of the life before it that makes this ticket hold, or its heartbeat. While the one right in front lives past
-- that, so does what is between it and the lock: a crowd costs a heartbeat one look, and only the next in line more.
local function retry(own, at)
  local beat = waiterTtl / 3
  if lives(string.sub(queue, (at - 1) * CELL + 1, at * CELL - 1), beat) then return beat end
  local line, ends = {}, {}
  for i, record in ipairs(fetch('t', split(string.sub(queue, 1, at * CELL)))) do
    line[i] = parse(record)
    if line[i].ends - now < beat then ends[#ends + 1] = line[i].ends end
  end
  line[at + 1] = own
  table.sort(ends)

  local function holdsAfter(moment)
    local before, closed = 0, false
    for _, t in ipairs(line) do
      if t == own or t.ends > moment then
        if closed or (t.mode == 'x' and before > 0) or (t.limit ~= '-' and before >= tonumber(t.limit)) then return false end
        before, closed = before + 1, t.mode == 'x'
      end
    end
    return true
  end

  local low, high = 1, #ends + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if holdsAfter(ends[middle]) then high = middle else low = middle + 1 end
  end
  return ends[low] and ends[low] - now or beat
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

/**
 * ARGV: id, how long to keep it, how long to forbid it, the caller's own channel or '-'. The answer names those of the
 * caller's own who hold now: a push to itself would cost the server and the caller more than the leave.
 */
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
      if channel == '-' then return 'held' end
      if channel == ARGV[4] then return 'held ' .. token end
      redis.call('PUBLISH', channel, 'h ' .. token .. '\\n' .. KEYS[1])
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
local own = news[ARGV[4]]
news[ARGV[4]] = nil
return answer((holds and 'held' or 'waiting') .. (own and ' ' .. table.concat(own, ',') or ''))
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
