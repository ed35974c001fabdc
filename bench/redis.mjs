// Locks on Redis against other libraries and the least that any lock on Redis costs, raw: SET NX PX, and one script
// that compares and deletes, on the same client.
//
//   npm run bench -- redis [--seconds 3] [--rounds 5] [--only solo,spread,crowd,queue]
//                          [--client ioredis|iovalkey|redis]
//
//   solo    one task, one key
//   spread  64 tasks, 64 keys
//   crowd   200 tasks of one process on one key
//   queue   2 processes x 16 and x 64 tasks on one key, 1 ms inside, 10 ms between
//
// The server is one of its own, started from redis-server on the PATH, or that of HOLDFAST_TEST_REDIS_URL with
// --shared. All take turns in short rounds, and the medians of the rounds' rates and ratios are printed, with the time
// of the server's processor that a section costs. `holdfast` acquires and releases, `run` does both around a task,
// `driver` is the store without what stands on it. Other libraries: see peers.mjs. Commands and pushes are counted by
// the server (INFO commandstats), apart from those inside scripts. An idle process tells how long this machine itself
// stalls, and `bare` what machine and client allow a queue in Redis at all: the same work on a list and a push, in
// ioredis, which renews nothing, forgets nobody that is dead, and would not survive a lost message.
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openPeer, PEERS } from './peers.mjs'
import { startServer } from './redis-server.mjs'

const SELF = fileURLToPath(import.meta.url)
const INSIDE_MS = 1
const BETWEEN_MS = 10
const WARM_UP_MS = 5_000
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
const GOALS = { solo: 0.7, spread: 0.85, crowd: 15, semaphore: 1.8, bare: 0.88 }
const TTL = '15s'

if (process.argv[2] === 'worker') await worker(JSON.parse(process.argv[3]))
else if (process.argv[2] === 'idle') await idle()
else await main()

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: 'solo,spread,crowd,queue' },
      client: { type: 'string', default: 'ioredis' },
      shared: { type: 'boolean', default: false },
    },
  })
  const settings = { ms: Number(values.seconds) * 1_000, rounds: Number(values.rounds), client: values.client }
  const only = values.only.split(',')
  const server = values.shared ? { url: process.env.HOLDFAST_TEST_REDIS_URL, async stop() {} } : await startServer()
  const control = fork(SELF, ['idle'])
  try {
    for (const name of ['solo', 'spread'].filter(each => only.includes(each)))
      await againstRaw(name, server.url, settings)
    if (only.includes('crowd')) await crowd(server.url, settings)
    if (only.includes('queue')) {
      for (const tasks of [16, 64]) await queues(server.url, { ...settings, tasks })
    }
    control.send('report')
    const [stalledMs] = await once(control, 'message')
    console.log(`idle control    longest stall of the event loop ${stalledMs.toFixed(1)} ms`)
  } finally {
    control.disconnect()
    await server.stop()
  }
}

/** One process, all ways in turn. */
async function againstRaw(name, url, { ms, rounds, client }) {
  const tasks = name === 'solo' ? 1 : 64
  const raw = await rawLocks(url, client)
  const locks = await holdfast(url, { client, fair: 'cohort' })
  const peers = await peersFor(url, client)
  const ways = {
    raw: key => raw.run(key),
    holdfast: async key => (await locks.acquire(key)).release(),
    run: key => locks.run(key, nothing),
    driver: locks.section,
    ...peers.ways,
  }
  const figures = await inTurns(ways, { rounds, cpu: locks.cpu, section: { tasks, ms: ms / 3 } })
  await locks.zeroCounts()
  const counted = await sections(ways.holdfast, { tasks, ms: ms / 3 })
  const commands = (await locks.counts()).commands / ((counted * ms) / 3_000)
  for (const way of Object.keys(ways)) {
    const ratio = median(figures.map(figure => figure[way].rate / figure.raw.rate)).toFixed(2)
    const more = way === 'holdfast' ? `   goal ${GOALS[name]}, ${commands.toFixed(2)} commands a section` : ''
    print(name, way, figures, `${ratio} of raw${more}`)
  }
  raw.close()
  await peers.close()
  await locks.close()
}

/** Each round: every way for a while. What the first round compiles is not counted. */
async function inTurns(ways, { rounds, cpu, section }) {
  for (const way of Object.values(ways)) await sections(way, { ...section, ms: section.ms / 2 })
  const figures = []
  for (let round = 0; round < rounds; round += 1) {
    const figure = {}
    for (const [way, once] of Object.entries(ways)) {
      const before = await cpu()
      const rate = await sections(once, section)
      figure[way] = { rate, cpuMicros: ((await cpu()) - before) / ((rate * section.ms) / 1_000) }
    }
    figures.push(figure)
  }
  return figures
}

function print(name, way, figures, more) {
  const rate = Math.round(median(figures.map(figure => figure[way].rate)))
  const micros = median(figures.map(figure => figure[way].cpuMicros)).toFixed(1)
  console.log(`${name.padEnd(7)} ${way.padEnd(18)} ${String(rate).padStart(7)}/s   server ${micros} us   ${more}`)
}

/** Other libraries that are installed; they know ioredis only. */
async function peersFor(url, client) {
  const opened = new Map()
  for (const name of client === 'ioredis' ? Object.keys(PEERS).filter(each => each !== 'raw') : []) {
    const peer = await openPeer(name, url)
    if (peer === null) console.log(`not measured: ${name}: npm install --prefix bench`)
    else opened.set(name, peer)
  }
  return {
    ways: Object.fromEntries([...opened].map(([name, peer]) => [name, key => peer.run(key, nothing)])),
    close: () => Promise.all([...opened.values()].map(peer => peer.close())),
  }
}

async function sections(section, { tasks, ms }) {
  const until = performance.now() + ms
  const startedAt = performance.now()
  let done = 0
  const task = async key => {
    while (performance.now() < until) {
      await section(key)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: tasks }, (_, index) => task(`bench:${index}`)))
  return (done * 1_000) / (performance.now() - startedAt)
}

async function crowd(url, { ms, rounds, client }) {
  const raw = await rawLocks(url, client)
  const peers = await peersFor(url, client)
  const [cohort, strict] = [await holdfast(url, { client, fair: 'cohort' }), await holdfast(url, { client })]
  const holding = { cohort, strict }
  const ways = { raw: () => raw.poll('crowd', 10), ...without(peers.ways) }
  for (const [way, locks] of Object.entries(holding)) ways[way] = async () => (await locks.acquire('crowd')).release()
  const figures = []
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    const figure = {}
    for (const [way, section] of Object.entries(ways)) figure[way] = await crowdOnce(section, ms / 2, cohort.cpu)
    figures.push(figure)
  }
  const rateOf = way => median(figures.map(figure => figure[way].rate))
  const best = Math.max(...Object.keys(ways).map(way => (way in holding ? 0 : rateOf(way))))
  for (const way of Object.keys(ways)) {
    const goal = way === 'cohort' ? ` (goal ${GOALS.crowd})` : ''
    const shares = figures.at(-1)[way].shares
    const ratio = (rateOf(way) / best).toFixed(2)
    print('crowd', way, figures, `${ratio} of the best peer${goal}   slowest : fastest task ${shares}`)
  }
  await Promise.all([peers.close(), cohort.close(), strict.close()])
  raw.close()
}

function without(ways) {
  return Object.fromEntries(Object.entries(ways).map(([name, run]) => [name, () => run('crowd')]))
}

async function crowdOnce(section, ms, cpu) {
  const counts = Array.from({ length: 200 }, () => 0)
  const before = await cpu()
  const until = performance.now() + ms
  const task = async index => {
    while (performance.now() < until) {
      await section()
      counts[index] += 1
    }
  }
  await Promise.all(counts.map((_, index) => task(index)))
  const total = counts.reduce((sum, count) => sum + count, 0)
  const cpuMicros = ((await cpu()) - before) / total
  return { rate: (total * 1_000) / ms, cpuMicros, shares: `${Math.min(...counts)} : ${Math.max(...counts)}` }
}

/** In turn, so that all meet the same machine; of each way the round with the median rate is printed. */
async function queues(url, { rounds, ...settings }) {
  const kinds = ['bare', 'strict', 'cohort', ...(await installedPeer(url, 'redis-semaphore'))]
  const rows = new Map(kinds.map(fair => [fair, []]))
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    for (const [fair, figures] of rows) figures.push(await queue(url, { ...settings, fair }))
  }
  const middle = figures => figures.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(figures.length / 2)]
  const bare = middle(rows.get('bare')).perSecond
  const peer = rows.has('redis-semaphore') ? middle(rows.get('redis-semaphore')).perSecond : Number.NaN
  for (const [fair, figures] of rows) {
    const { perSecond, waits, mostToFewest, commands, pushes, stalledMs } = middle(figures)
    const columns = [
      `${Math.round(perSecond)}/s (${figures.map(figure => Math.round(figure.perSecond)).join(' ')}), ${(perSecond / bare).toFixed(2)} of bare, ${(perSecond / peer).toFixed(2)} of redis-semaphore${fair === 'strict' ? ` (goals ${GOALS.bare}, ${GOALS.semaphore})` : ''}`,
      `wait p50 ${at(waits, 0.5)} p99 ${at(waits, 0.99)} max ${at(waits, 1)} ms`,
      `most : fewest ${mostToFewest.toFixed(2)}`,
      `${commands.toFixed(2)} commands, ${pushes.toFixed(2)} pushes a section`,
      `stall ${stalledMs.toFixed(1)} ms`,
    ]
    console.log(`${`queue 2x${settings.tasks}`.padEnd(11)} ${fair.padEnd(15)} ${columns.join('   ')}`)
  }
}

async function installedPeer(url, name) {
  const peer = await openPeer(name, url)
  await peer?.close()
  return peer === null ? [] : [name]
}

async function queue(url, { ms, tasks, fair, client }) {
  const key = `queue:${randomUUID()}`
  const locks = await holdfast(url, { client })
  const workers = [0, 1].map(() => fork(SELF, ['worker', JSON.stringify({ url, key, tasks, fair, client, ms })]))
  await Promise.all(workers.map(child => once(child, 'message')))
  const reports = Promise.all(workers.map(child => once(child, 'message')))
  for (const child of workers) child.send('start')
  await sleep(1_000)
  await locks.zeroCounts()
  const countedAt = performance.now()
  await sleep(ms - 500)
  const { commands, pushes } = await locks.counts()
  const countedMs = performance.now() - countedAt
  const results = (await reports).map(([report]) => report)
  const counts = results.flatMap(report => report.counts)
  const waits = results.flatMap(report => report.waits).toSorted((a, b) => a - b)
  const perSecond = (waits.length * 1_000) / ms
  const counted = (perSecond * countedMs) / 1_000
  await locks.close()
  return {
    perSecond,
    waits,
    mostToFewest: Math.max(...counts) / Math.min(...counts),
    commands: commands / counted,
    pushes: pushes / counted,
    stalledMs: Math.max(...results.map(report => report.stalledMs)),
  }
}

async function worker({ url, key, tasks, fair, client, ms }) {
  const locks =
    fair in PEERS
      ? await openPeer(fair, url)
      : fair === 'bare'
        ? await bareQueue(url)
        : await holdfast(url, { client, fair })
  const counts = Array.from({ length: tasks }, () => 0)
  const waits = []
  await warmUp(() => locks.run(`${key}:warm`, nothing), tasks)
  const stall = stallWatch()
  process.send('ready')
  await once(process, 'message')
  const startedAt = performance.now() + 500
  const until = startedAt + ms
  const task = async index => {
    while (performance.now() < until) {
      const askedAt = performance.now()
      await locks.run(key, async () => {
        const now = performance.now()
        if (now >= startedAt && now < until) {
          waits.push(now - askedAt)
          counts[index] += 1
        }
        await sleep(INSIDE_MS)
      })
      await sleep(BETWEEN_MS)
    }
  }
  await Promise.all(counts.map((_, index) => task(index)))
  process.send({ counts, waits, stalledMs: stall() })
  await locks.close()
  process.disconnect()
}

/** As fast as it goes: at the pace of what is measured the compiler would take half a minute to come to all of it. */
async function warmUp(section, tasks) {
  const until = performance.now() + WARM_UP_MS
  const task = async () => {
    while (performance.now() < until) await section()
  }
  await Promise.all(Array.from({ length: tasks }, task))
}

async function idle() {
  const stall = stallWatch()
  process.once('message', () => process.send(stall()))
}

/** The longest that a timer of 5 ms came late. */
function stallWatch() {
  let last = performance.now()
  let longest = 0
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last - 5)
    last = now
  }, 5)
  timer.unref()
  return () => longest
}

async function holdfast(url, { client, fair = 'strict' }) {
  const { createLocks } = await import('../dist/index.js')
  const { redisStore } = await import('../dist/drivers/redis.js')
  const { connect } = await import('../dist/drivers/redis/connection.js')
  const store = redisStore(url, { package: client })
  const locks = createLocks(store, { fair, ttl: TTL, wait: '60s' })
  const admin = connect(url, { package: client })
  const io = { timeoutMs: 5_000 }
  let next = 0
  return {
    run: (key, task) => locks.run(key, task),
    acquire: key => locks.acquire(key),
    /** Of the server's processor, in microseconds since it started. */
    async cpu() {
      const text = String(await admin.command('info', ['cpu'], io))
      const of = name => Number(new RegExp(`${name}:([\\d.]+)`).exec(text)?.[1] ?? 0)
      return (of('used_cpu_user') + of('used_cpu_sys')) * 1e6
    },
    async section(key) {
      const id = String((next += 1)).padStart(22, '0')
      await store.enter(
        {
          key,
          id,
          holder: 'bench',
          mode: 'exclusive',
          limit: null,
          ttlMs: 15_000,
          waiterTtlMs: 5_000,
          queue: true,
          tokens: 1,
          meta: {},
        },
        io,
      )
      await store.leave({ key, id, keepMs: 0, forbidMs: 0 }, io)
    },
    zeroCounts: () => admin.command('config', ['RESETSTAT'], io),
    async counts() {
      const stats = new Map(
        String(await admin.command('info', ['commandstats'], io))
          .split('\r\n')
          .map(line => [line.split(':')[0].slice('cmdstat_'.length), Number(/calls=(\d+)/.exec(line)?.[1] ?? 0)]),
      )
      const of = name => stats.get(name) ?? 0
      return { commands: of('evalsha') + of('eval') + of('ping'), pushes: of('publish') }
    },
    async close() {
      await locks.close()
      await admin.close()
    },
  }
}

async function bareQueue(url) {
  const { Redis } = await import('ioredis')
  const [commands, ear] = [new Redis(url), new Redis(url)]
  const channel = `bare:${randomUUID()}`
  const enter = await commands.script(
    'LOAD',
    "if redis.call('RPUSH', KEYS[1], ARGV[1] .. ' ' .. ARGV[2]) == 1 then return 1 end return 0",
  )
  const leave = await commands.script(
    'LOAD',
    "redis.call('LPOP', KEYS[1]) local id, channel = string.match(redis.call('LINDEX', KEYS[1], 0) or '', '^(%S+) (%S+)$') if id then redis.call('PUBLISH', channel, id) end return 1",
  )
  const waiting = new Map()
  ear.on('message', (_channel, id) => waiting.get(id)?.())
  await ear.subscribe(channel)
  return {
    async run(key, task) {
      const id = randomUUID()
      const served = new Promise(resolve => waiting.set(id, resolve))
      if ((await commands.evalsha(enter, 1, `bare:${key}`, id, channel)) === 0) await served
      waiting.delete(id)
      await task()
      await commands.evalsha(leave, 1, `bare:${key}`)
    },
    async close() {
      commands.disconnect()
      ear.disconnect()
    },
  }
}

async function rawLocks(url, client) {
  const raw = client === 'redis' ? await rawNodeRedis(url) : await rawIoredis(url, client)
  const sha = await raw.load(RELEASE)
  let next = 0
  const take = async (key, id) => (await raw.set(key, id)) !== null
  return {
    async run(key) {
      const id = String((next += 1)).padStart(22, '0')
      if (!(await take(`raw:${key}`, id))) throw new Error('it was free')
      await raw.release(sha, `raw:${key}`, id)
    },
    async poll(key, everyMs) {
      const id = String((next += 1)).padStart(22, '0')
      while (!(await take(`raw:${key}`, id))) await sleep(everyMs)
      await raw.release(sha, `raw:${key}`, id)
    },
    close: raw.close,
  }
}

async function rawIoredis(url, client) {
  const { Redis } = await import(client)
  const redis = new Redis(url)
  return {
    load: source => redis.script('LOAD', source),
    set: (key, id) => redis.set(key, id, 'PX', 15_000, 'NX'),
    release: (sha, key, id) => redis.evalsha(sha, 1, key, id),
    close: () => redis.disconnect(),
  }
}

async function rawNodeRedis(url) {
  const { createClient } = await import('redis')
  const redis = createClient({ url })
  await redis.connect()
  return {
    load: source => redis.scriptLoad(source),
    set: (key, id) => redis.set(key, id, { PX: 15_000, NX: true }),
    release: (sha, key, id) => redis.evalSha(sha, { keys: [key], arguments: [id] }),
    close: () => redis.destroy(),
  }
}

function nothing() {}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
}

function at(sorted, part) {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(0)
}
