/**
 * The rule (store/queue.ts) in Lua: one script a verb, so that a verb is atomic and costs one round trip.
 *
 * A lock is ONE hash, so its parts cannot be evicted apart:
 *
 *   head   version, end of the last block, end of the record itself, farthest and nearest end of a life, time of the
 *          last step that gave time to somebody, number that hold; all but the first three mean nothing while nobody
 *          is in it
 *   queue  the ids in order, in cells of one width: a place is found, cut out and counted without touching the tickets
 *   bans   the ids that are forbidden, in the same cells
 *   t<id>  a ticket; what decides comes first, what people see last
 *   r<id>  why it was revoked        f<id>  why an id is forbidden, and until when
 *
 * A step looks at the tickets it concerns, not at all of them: enter at its own, leave at the next in line. All are
 * walked only when the clock has passed the nearest end of a life, or was set back since the last step; then what has
 * run out is removed, and what the clock has stretched is cut. After a walk the end of somebody who waits is near only
 * when a pause is over that grows with the line. So a crowd of waiters costs a section nothing.
 *
 * What nearly all steps are comes first in its script, before anything is defined that it does not need: to enter a
 * free lock, to queue for an exclusive one, and to leave it to nobody or to the next, while no life is near its end. To
 * leave writes no head: the number that hold, 1, is then the next one's.
 *
 * Time is microseconds since 1970 by the server. Numbers leave Lua through string.format: tostring(1795240547670301)
 * would round to 1.7952405476703e+15. Every answer is one text, the same through every client and protocol.
 */
import { script } from './connection.ts'
import { NOW, PACKED, RECORD, SHOWN, STAY } from './lua.ts'

/**
 * Steps are functions of a key, an id, and what many of them have in common: of the known token or '', ttl, waiterTtl,
 * '1' to queue, tokens, then mode, limit or '-', channel or '-', and what people see, in one.
 */
const enter = `
local function enter(KEY, id, known, ttl, waiterTtl, queues, tokens, rest)
ttl, waiterTtl, tokens = tonumber(ttl), tonumber(waiterTtl), tonumber(tokens)
do
  local state = redis.call('HMGET', KEY, 'head', 'queue', 'bans', 't' .. id)
  local head, queue = state[1], state[2]
  local _, last, stays, far, nearest, seen, held = VERSION, 0, 0, 0, 0, 0, 0
  local quick = not state[3] and not state[4] and known == '' and (not head or string.byte(head) == VERSION)
  if quick and head then _, last, stays, far, nearest, seen, held = struct.unpack(HEAD, head) end
  if quick and queue then
    quick = queues == '1' and string.byte(rest) == 120 and now >= seen and now < nearest
    if quick and nearest - now < waiterTtl / 3 then
      local _, ends = struct.unpack(LIFE, redis.call('HGET', KEY, 't' .. string.sub(queue, -23, -2)))
      quick = ends - now >= waiterTtl / 3
    end
  end
  local token = math.max(last, now)
  local after = token + tokens
  if quick and after <= SAFE then
    local life = queue and waiterTtl or ttl
    local ends = now + life
    if not queue then far, nearest, held = ends, ends, 1 end
    if ends > far then far = ends end
    if ends < nearest then nearest = ends end
    local need = math.max(after, far) + DAY
    local moves = need > stays
    if moves then stays = need + HOUR end
    local line = (queue or '') .. id .. ' '
    redis.call('HSET', KEY, 'head', struct.pack(HEAD, VERSION, after, stays, far, nearest, now, held), 'queue', line,
      't' .. id,
      struct.pack(TICKET, 'n', ends, life, token, tokens, now, queue and 0 or now, queue and ttl or 0) .. rest)
    if moves then redis.call('PEXPIREAT', KEY, string.format('%.0f', stays / 1000)) end
    if not queue then return string.format('holds %.0f %.0f 0', token, life) end
    return string.format('waits %.0f %.0f %.0f %.0f', token, life, #queue / 23, life / 3)
  end
end
${RECORD}${SHOWN}
local mode, limit, channel, cold = match(rest, '^(%a) (%S+) (%S+) (.*)$')

-- Does one that waits in front live past the next heartbeat? From the nearest on, each look twice as wide as the last:
-- so each of a crowd pays for the dead right in front of it, and all together for each dead one once or twice.
local function shielded(at, beat)
  local behind, width = at, 1
  while behind > held do
    local first = math.max(held, behind - width)
    for _, record in ipairs(fetch('t', split(string.sub(queue, first * CELL + 1, behind * CELL)))) do
      local _, ends = unpacked(LIFE, record)
      if ends - now >= beat then return true end
    end
    behind, width = first, width * 2
  end
  return false
end

-- The end of the life before it that makes this ticket hold, or its heartbeat: while somebody waits in front, that one
-- asks for both. Not before the next walk, which removes what has ended.
local function retry(own, at)
  local beat = waiterTtl / 3
  if shielded(at, beat) then return beat end
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
        if closed or (t.mode == 'x' and before > 0) or (t.limit ~= '-' and before >= tonumber(t.limit)) then
          return false
        end
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
  return ends[low] and math.max(ends[low], nearest) - now or beat
end

local function standing(t, at, holds)
  if holds then
    local left, waiters = math.min(t.ends - now, ttl), math.max(0, count() - held)
    return table.concat({ 'holds', text(t.token), text(left), text(waiters) }, ' ')
  end
  return table.concat({ 'waits', text(t.token), text(t.ends - now), text(at), text(retry(t, at)) }, ' ')
end

local ticket, banned = load(KEY, id)
if banned then return answer(string.sub(banned, 18)) end
if ticket then
  local t = parse(ticket)
  if t.state == 'k' or t.state == 'b' then return answer('kept') end
  if t.state == 'r' then return answer('revoked ' .. redis.call('HGET', key, 'r' .. id)) end
  local at = place(queue, id)
  local holds = at < held
  local fresh = not holds and t.ends - now > waiterTtl * 0.75
  if fresh and (channel == '-' or channel == t.channel) then return answer(standing(t, at, holds)) end
  if channel ~= '-' then t.channel = channel end
  if holds then claim(t, ttl) elseif not fresh then prolong(t, waiterTtl) end
  local reply = standing(t, at, holds)
  soon(t.ends)
  save('t' .. id, format(t))
  return reply
end
if known ~= '' then return answer('gone') end

local at = count()
local holds = held == at and admits(mode, limit)
if not holds and queues ~= '1' then
  local line, first = fetch('t', split(string.sub(queue, 1, held * CELL))), nil
  for i, record in ipairs(line) do
    local _, ends = unpacked(LIFE, record)
    if not first or ends < first then first = ends end
    line[i] = shown(record)
  end
  return answer('refused ' .. text(first - now) .. ' ' .. text(now) .. '\\n' .. table.concat(line, '\\n'))
end

local token = math.max(last, now)
if token + tokens > SAFE then error('HOLDFAST the next token is beyond the safe integers') end
local life = holds and ttl or waiterTtl
local t = {
  ends = now + life, life = life, token = token, tokens = tokens, mode = mode, limit = limit, channel = channel,
  state = 'n', entered = now, since = holds and now or 0, claim = holds and 0 or ttl, cold = cold,
}
local reply = standing(t, at, holds)
last, queue, held = token + tokens, queue .. id .. ' ', holds and held + 1 or held
soon(t.ends)
save('t' .. id, format(t), true)
return reply
end
`

export const ENTER = script(`${NOW}${STAY}${PACKED}${enter}
return enter(KEYS[1], unpack(ARGV))
`)

/** KEYS and, for each, two of ARGV: id, ttl. An answer is a line. */
export const RENEW = script(`${NOW}${STAY}${PACKED}${RECORD}
local function renew(name, id, ttl)
  local ticket, banned = load(name, id)
  local reason = banned and match(banned, '^revoked (.*)$', 18)
  local t = ticket and parse(ticket)
  if t and (t.state == 'r' or t.state == 'b') then reason = redis.call('HGET', key, 'r' .. id) end
  if reason then return answer('revoked ' .. reason) end
  local at = place(queue, id)
  if not t or t.state == 'k' or at >= held then return answer('gone') end
  claim(t, ttl)
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
    local own = string.find(problem, 'WRONGTYPE', 1, true) or string.find(problem, 'HOLDFAST', 1, true)
    if #KEYS == 1 or not own then error(line) end
    line = 'unknown ' .. string.gsub(problem, '\\n', ' ')
  end
  lines[i] = line
end
return table.concat(lines, '\\n')
`)

/**
 * Of the caller's own channel or '-', and then, if not both are nothing, how long to keep the ticket and how long to
 * forbid the id. The answer names those of the caller's own who hold now: a push to itself would cost the server and
 * the caller more than the leave.
 */
const leave = `
local function leave(KEY, id, own, keep, forbid)
do
  local state = redis.call('HMGET', KEY, 'head', 'queue', 'bans', 't' .. id)
  local head, queue = state[1], state[2]
  if queue and string.sub(queue, 1, 22) == id and not state[3] and not keep
    and string.byte(state[4]) == 110 and string.byte(head) == VERSION then
    local _, _, _, _, nearest, seen, held = struct.unpack(HEAD, head)
    if held == 1 and now < nearest and now >= seen then
      if #queue == 23 then
        redis.call('HDEL', KEY, 'queue', 't' .. id)
        return 'held'
      end
      local heir = 't' .. string.sub(queue, 24, 45)
      local record = redis.call('HGET', KEY, heir)
      local kind, ends, life, token, tokens, entered, since, claim, at = struct.unpack(TICKET, record)
      local channel = kind == 'n' and since == 0 and ends > now and string.match(record, '^x %S+ (%S+)', at)
      if channel then
        redis.call('HDEL', KEY, 't' .. id)
        redis.call('HSET', KEY, 'queue', string.sub(queue, 24),
          heir, struct.pack(TICKET, 'n', ends, life, token, tokens, entered, now, claim) .. string.sub(record, at))
        if channel == '-' then return 'held' end
        token = string.format('%.0f', token)
        if channel == own then return 'held ' .. token end
        redis.call('PUBLISH', channel, 'h ' .. token .. '\\n' .. KEY)
        return 'held'
      end
    end
  end
end
${RECORD}
keep, forbid = tonumber(keep or 0), tonumber(forbid or 0)
local ticket = load(KEY, id)
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
local named = news[own]
news[own] = nil
return answer((holds and 'held' or 'waiting') .. (named and ' ' .. table.concat(named, ',') or ''))
end
`

export const LEAVE = script(`${NOW}${STAY}${PACKED}${leave}
return leave(KEYS[1], unpack(ARGV))
`)

/** Between the answers of steps that were sent together; nothing in them has it, since JSON does not. */
export const SEPARATOR = '\u001e'
/** How the answer of one begins that failed. */
export const FAILED = 'failed '

/**
 * One step for each of KEYS. ARGV: how many kinds of step there are, for each how many words follow and those, and for
 * each step its id with the number of its kind. A step that fails is an answer, and costs the others nothing.
 */
const together = (step: string): string => `
local kinds, answers, at = {}, {}, 2
for kind = 1, tonumber(ARGV[1]) do
  local words = tonumber(ARGV[at])
  kinds[kind] = { unpack(ARGV, at + 1, at + words) }
  at = at + words + 1
end
for i, name in ipairs(KEYS) do
  local asked = ARGV[at + i - 1]
  local done, reply = pcall(${step}, name, string.sub(asked, 1, 22), unpack(kinds[tonumber(string.sub(asked, 23))]))
  answers[i] = done and reply or '${FAILED}' .. (type(reply) == 'table' and reply.err or tostring(reply))
end
return table.concat(answers, '${SEPARATOR}')
`

export const ENTERS = script(`${NOW}${STAY}${PACKED}${enter}${together('enter')}`)
export const LEAVES = script(`${NOW}${STAY}${PACKED}${leave}${together('leave')}`)

/** ARGV: 'holders', 'all' or a token; reason; '1' to take held ones too; how long an id stays forbidden at least. */
export const REVOKE = script(`${NOW}${STAY}${PACKED}${RECORD}
local which, reason, take, least = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])

-- It came to hold in this very step, and is taken before anybody heard of it.
local function unsay(t)
  local others = {}
  for _, token in ipairs(news[t.channel] or {}) do
    if token ~= text(t.token) then others[#others + 1] = token end
  end
  news[t.channel] = #others > 0 and others or nil
end

load(KEYS[1], '')
local ids, holders, told = split(queue), held, {}
for i, record in ipairs(fetch('t', ids)) do
  local id, t, holds = ids[i], parse(record), i <= holders
  local chosen = which == 'all' or (which == 'holders' and holds)
  if tonumber(which) then chosen = t.token <= tonumber(which) and tonumber(which) < t.token + t.tokens end
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
  if t.channel ~= '-' then redis.call('PUBLISH', t.channel, 'r ' .. text(t.token) .. ' ' .. reason .. '\\n' .. key) end
end
return answer(text(#told))
`)

/** Everything as it is, expired tickets included; writes nothing. */
export const LOOK = script(`${NOW}${PACKED}${RECORD}${SHOWN}
key = KEYS[1]
local found = redis.call('HMGET', key, 'head', 'queue', 'bans')
queue, bans, last = found[2] or '', found[3] or '', 0
if found[1] then
  if string.byte(found[1]) == VERSION then last = unpacked('<d', found[1], 2) else adopt(found[1]) end
end
local lines = { text(now) .. ' ' .. text(last) }
for _, record in ipairs(fetch('t', split(queue))) do lines[#lines + 1] = record and shown(record) or nil end
return table.concat(lines, '\\n')
`)
