// Locks on PostgreSQL against the least that any lock in a table costs: an upsert of one row and its removal, each its
// own transaction, on the same client.
//
//   npm run bench -- postgres [--seconds 3] [--rounds 5] [--only solo,queue,crowd,bloat] [--client pg|postgres]
//                             [--fsync on|off] [--wire MS]
//
//   solo    one task, one key: bare, the driver alone, locks
//   queue   2 processes x 16 tasks on one key, 1 ms inside, 10 ms between, strictly in turn; against asking the same
//           table again every 50 ms
//   crowd   the same with nothing inside and nothing between, where 32 and where 512 tickets wait
//   bloat   pages of tables and indexes after many sections, alone and in a crowd
//
// The server is one of its own (PostgreSQL 15), with synchronous commits to the disk unless --fsync off. --wire puts so
// many milliseconds into each direction. Round trips are counted at the client, by statement. An idle process tells how
// long this machine itself stalls.
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Client } from 'pg'
import { createLocks } from '../dist/index.js'
import { migrationAt } from '../dist/drivers/postgres/migration.js'
import { postgresStore } from '../dist/drivers/postgres.js'
import { POSTGRES } from '../dist/servers/postgres.js'
import { startProxy } from '../dist/lab/faults/proxy.js'
import { startServer } from '../dist/servers/start.js'

const SELF = fileURLToPath(import.meta.url)
const GOALS = { driver: 0.75, locks: 0.65, queue: 3, crowd: 1.3 }
const POLL_MS = 50
const IO = { timeoutMs: 10_000 }
const UPSERT = `INSERT INTO bare (key, id, until) VALUES ($1, $2, clock_timestamp() + interval '15 s')
ON CONFLICT (key) DO UPDATE SET id = excluded.id, until = excluded.until WHERE bare.until < clock_timestamp()`
const REMOVE = 'DELETE FROM bare WHERE key = $1 AND id = $2'

if (process.argv[2] === 'worker') await worker(JSON.parse(process.argv[3]))
else if (process.argv[2] === 'idle') await idle()
else await main()

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: 'solo,queue,crowd,bloat' },
      client: { type: 'string', default: 'pg' },
      fsync: { type: 'string', default: 'on' },
      wire: { type: 'string', default: '0' },
    },
  })
  const settings = { ms: Number(values.seconds) * 1_000, rounds: Number(values.rounds), client: values.client }
  const server = await startServer(POSTGRES, { args: ['-c', `fsync=${values.fsync}`] })
  const control = fork(SELF, ['idle'])
  try {
    const admin = await connected(server.address)
    const wire = await startProxy({ port: server.port })
    wire.set({ both: { delayMs: Number(values.wire) } })
    const url = values.wire === '0' ? server.address : server.address.replace(`:${server.port}`, `:${wire.port}`)
    await migrationAt(url).apply({ timeoutMs: 60_000 })
    await admin.query('CREATE TABLE bare (key text PRIMARY KEY, id text NOT NULL, until timestamptz NOT NULL)')
    const parts = { solo, queue, crowd, bloat }
    for (const name of values.only.split(',')) await parts[name]({ url, admin, ...settings })
    await admin.end()
    await wire.close()
    control.send('report')
    const [stalledMs] = await once(control, 'message')
    console.log(`idle control    longest stall of the event loop ${stalledMs.toFixed(1)} ms`)
  } finally {
    control.disconnect()
    await server.close()
  }
}

async function connected(url) {
  const client = new Client({ connectionString: url })
  await client.connect()
  return client
}

async function solo({ url, ms, rounds, client }) {
  const bare = await bareLock(url)
  const store = postgresStore(url, { package: client })
  const locks = createLocks(postgresStore(url, { package: client }))
  const ways = { bare: () => bare.run('solo'), driver: () => section(store), locks: () => locks.run('solo', nothing) }
  for (const way of Object.values(ways)) await perSecond(way, ms / 3)
  const figures = []
  for (let round = 0; round < rounds; round += 1) {
    const figure = {}
    for (const [name, way] of Object.entries(ways)) figure[name] = await perSecond(way, ms / 3)
    figures.push(figure)
  }
  for (const name of Object.keys(ways)) {
    const rate = Math.round(median(figures.map(figure => figure[name])))
    const ratio = median(figures.map(figure => figure[name] / figure.bare)).toFixed(2)
    const goal = name in GOALS ? ` (goal ${GOALS[name]})` : ''
    console.log(`solo    ${name.padEnd(8)} ${String(rate).padStart(6)}/s   ${ratio} of bare${goal}`)
  }
  const counted = countStatements()
  for (let index = 0; index < 200; index += 1) await section(store)
  console.log(`solo    ${(counted() / 200).toFixed(2)} round trips a section`)
  await Promise.all([bare.close(), store.close(), locks.close()])
}

/** Of this process, by `pg`, from now on. */
function countStatements() {
  let count = 0
  const query = Client.prototype.query
  Client.prototype.query = function (...words) {
    count += 1
    return query.apply(this, words)
  }
  return () => count
}

function sum(results, name) {
  return results.reduce((total, result) => total + result[name], 0)
}

async function section(store) {
  const id = randomUUID()
  const rest = { holder: 'bench', mode: 'exclusive', limit: null, ttlMs: 15_000, waiterTtlMs: 5_000, queue: true }
  await store.enter({ key: 'solo', id, ...rest, tokens: 1, meta: {} }, IO)
  await store.leave({ key: 'solo', id, keepMs: 0, forbidMs: 0 }, IO)
}

async function perSecond(way, ms) {
  const startedAt = performance.now()
  let done = 0
  while (performance.now() - startedAt < ms) {
    await way()
    done += 1
  }
  return (done * 1_000) / (performance.now() - startedAt)
}

async function queue({ url, ms, rounds, client }) {
  const settings = { url, ms, client, tasks: 16, insideMs: 1, betweenMs: 10 }
  const figures = { polling: [], strict: [] }
  for (let round = 0; round < Math.min(rounds, 3); round += 1)
    for (const way of Object.keys(figures)) figures[way].push(await inQueue({ ...settings, way }))
  const middle = list => list.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(list.length / 2)]
  for (const way of Object.keys(figures)) {
    const figure = middle(figures[way])
    const ratio = (figure.perSecond / middle(figures.polling).perSecond).toFixed(2)
    const goal = way === 'strict' ? ` (goal ${GOALS.queue})` : ''
    console.log(
      `queue   ${way.padEnd(8)} ${Math.round(figure.perSecond)}/s, ${ratio} of polling${goal}   ${told(figure)}`,
    )
  }
}

async function crowd({ url, ms, rounds, client }) {
  const settings = { url, ms, client, way: 'strict', insideMs: 0, betweenMs: 0 }
  const ratios = []
  const rates = { 16: [], 256: [] }
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    for (const tasks of [16, 256]) rates[tasks].push(await inQueue({ ...settings, tasks }))
    ratios.push(rates[16].at(-1).perSecond / rates[256].at(-1).perSecond)
  }
  for (const [tasks, figures] of Object.entries(rates)) {
    const rate = Math.round(median(figures.map(figure => figure.perSecond)))
    console.log(`crowd   ${String(2 * tasks).padStart(3)} tickets ${rate}/s   ${told(figures.at(-1))}`)
  }
  console.log(`crowd   a section of 512 costs ${median(ratios).toFixed(2)} times one of 32 (goal ${GOALS.crowd})`)
}

function told({ waits, mostToFewest, trips, stalledMs }) {
  const at = part => (waits[Math.min(waits.length - 1, Math.floor(waits.length * part))] ?? 0).toFixed(0)
  return (
    `${trips.toFixed(2)} round trips a section   wait p50 ${at(0.5)} p99 ${at(0.99)} ms   ` +
    `most : fewest ${mostToFewest.toFixed(2)}   stall ${stalledMs.toFixed(1)} ms`
  )
}

async function inQueue(settings) {
  const key = `queue:${randomUUID()}`
  const children = [0, 1].map(() => fork(SELF, ['worker', JSON.stringify({ ...settings, key })]))
  await Promise.all(children.map(child => once(child, 'message')))
  const reports = Promise.all(children.map(child => once(child, 'message')))
  for (const child of children) child.send('start')
  const results = (await reports).map(([report]) => report)
  const counts = results.flatMap(report => report.counts)
  const waits = results.flatMap(report => report.waits).toSorted((a, b) => a - b)
  return {
    perSecond: (waits.length * 1_000) / settings.ms,
    waits,
    mostToFewest: Math.max(...counts) / Math.max(1, Math.min(...counts)),
    trips: sum(results, 'statements') / Math.max(1, sum(results, 'all')),
    stalledMs: Math.max(...results.map(report => report.stalledMs)),
  }
}

async function worker({ url, key, tasks, way, client, ms, insideMs, betweenMs }) {
  const locks =
    way === 'polling'
      ? await bareLock(url)
      : createLocks(postgresStore(url, { package: client }), { fair: 'strict', wait: '120s' })
  for (let index = 0; index < 200; index += 1) await locks.run(`${key}:warm:${process.pid}`, nothing)
  const counts = Array.from({ length: tasks }, () => 0)
  const waits = []
  let all = 0
  const stall = stallWatch()
  const statements = countStatements()
  process.send('ready')
  await once(process, 'message')
  const startedAt = performance.now() + 1_000
  const until = startedAt + ms
  const task = async index => {
    while (performance.now() < until) {
      const askedAt = performance.now()
      await locks.run(key, async () => {
        all += 1
        const now = performance.now()
        if (now >= startedAt && now < until) {
          waits.push(now - askedAt)
          counts[index] += 1
        }
        if (insideMs > 0) await sleep(insideMs)
      })
      if (betweenMs > 0) await sleep(betweenMs)
    }
  }
  await Promise.all(counts.map((_, index) => task(index)))
  process.send({ counts, waits, all, statements: statements(), stalledMs: stall() })
  await locks.close()
  process.disconnect()
}

/** One statement at a time, as `pg` wants it. */
async function bareLock(url) {
  const one = await connected(url)
  let last = Promise.resolve()
  const client = {
    query: query => (last = last.then(() => one.query(query))),
    end: () => one.end(),
  }
  const take = (key, id) => client.query({ name: 'take', text: UPSERT, values: [key, id] })
  return {
    async run(key, task = async () => {}) {
      const id = randomUUID()
      while ((await take(key, id)).rowCount === 0) await sleep(POLL_MS)
      await task()
      await client.query({ name: 'remove', text: REMOVE, values: [key, id] })
    },
    close: () => client.end(),
  }
}

async function bloat({ url, admin, ms, client }) {
  const store = postgresStore(url, { package: client, namespace: 'bloat' })
  let sections = 0
  await perSecond(async () => {
    await section(store)
    sections += 1
  }, ms * 3)
  await store.close()
  const { rows } = await admin.query(`SELECT relname AS name, pg_relation_size(oid) / 8192 AS pages,
    (SELECT n_tup_hot_upd FROM pg_stat_user_tables t WHERE t.relid = c.oid) AS hot
    FROM pg_class c WHERE relname LIKE 'holdfast_%' AND relkind IN ('r', 'i') ORDER BY relname`)
  const pages = rows.map(({ name, pages, hot }) => `${name} ${pages}${hot === null ? '' : ` (${hot} HOT updates)`}`)
  console.log(`bloat   after ${sections} sections and all of the above, pages: ${pages.join(', ')}`)
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

function nothing() {}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
}
