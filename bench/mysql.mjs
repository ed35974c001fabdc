// Locks on MariaDB against the least that any lock there costs: a row put in and taken out, each a transaction of its
// own, by the same client (mysql2).
//
//   npm run bench -- mysql [--seconds 2] [--rounds 5] [--only solo,spread,queue] [--address mysql://...]
//
//   solo    one task, one key
//   spread  64 tasks, 64 keys
//   queue   2 processes x 16 tasks on one key, 1 ms inside, 10 ms between, against asking for the bare row every 50 ms;
//           `alone` is one task that nobody else is in the way of, 1 ms inside, nothing between, on the bare row
//
// The server is one of its own, with every commit written to the disk, or that of --address. All take turns in short
// rounds, and the medians of the rounds' rates and ratios are printed. `driver` is the store without what stands on it.
// Round trips are the statements that the server counts.
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createConnection } from 'mysql2/promise'
import { createLocks } from '../dist/index.js'
import { mysqlStore } from '../dist/drivers/mysql.js'
import { migrationOf } from '../dist/drivers/mysql/migration.js'
import { MARIADB } from '../dist/servers/mysql.js'
import { startServer } from '../dist/servers/start.js'

const SELF = fileURLToPath(import.meta.url)
const GOALS = { driver: 0.75, locks: 0.65, queue: 3, mostToFewest: 1.15 }
const INSIDE_MS = 1
const BETWEEN_MS = 10
const POLL_MS = 50
const WARM_UP_MS = 1_000
const IO = { timeoutMs: 5_000 }

if (process.argv[2] === 'worker') await worker(JSON.parse(process.argv[3]))
else await main()

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: 'solo,spread,queue' },
      address: { type: 'string' },
    },
  })
  const own = values.address
    ? { address: values.address, async close() {} }
    : await startServer(MARIADB, { args: ['--innodb-flush-log-at-trx-commit=1'] })
  const settings = { url: own.address, ms: Number(values.seconds) * 1_000, rounds: Number(values.rounds) }
  const admin = await createConnection(own.address)
  try {
    await migrationOf(own.address).apply({ timeoutMs: 30_000 })
    await admin.query(
      'CREATE TABLE IF NOT EXISTS bare (id VARBINARY(64) PRIMARY KEY, owner VARBINARY(64), ends BIGINT)',
    )
    for (const name of values.only.split(',')) {
      if (name === 'queue') await queues({ ...settings, admin })
      else await againstBare({ ...settings, admin, tasks: name === 'solo' ? 1 : 64, name })
    }
  } finally {
    await admin.query('DROP TABLE IF EXISTS bare')
    await admin.end()
    await own.close()
  }
}

/** One process, all ways in turn. */
async function againstBare({ url, ms, rounds, admin, tasks, name }) {
  const store = mysqlStore(url, { namespace: randomUUID() })
  const locks = createLocks(mysqlStore(url, { namespace: randomUUID() }))
  const bare = await bareRow(url)
  const ways = {
    bare: bare.section,
    driver: driverSection(store),
    locks: async key => (await locks.acquire(key)).release(),
  }
  const figures = Object.fromEntries(Object.keys(ways).map(way => [way, []]))
  for (const section of Object.values(ways)) await rateOf(section, { tasks, ms: WARM_UP_MS })
  for (let round = 0; round < rounds; round += 1)
    for (const [way, section] of Object.entries(ways))
      figures[way].push(await counted(admin, () => rateOf(section, { tasks, ms: ms / 3 })))
  for (const [way, rows] of Object.entries(figures)) {
    const ratio = median(rows.map((row, round) => row.rate / figures.bare[round].rate)).toFixed(2)
    const goal = GOALS[way] === undefined ? '' : ` (goal ${GOALS[way]})`
    const statements = median(rows.map(row => row.statements)).toFixed(2)
    console.log(
      `${name.padEnd(7)} ${way.padEnd(7)} ${String(Math.round(median(rows.map(row => row.rate)))).padStart(6)}/s   ` +
        `${ratio} of bare${goal}   ${statements} round trips a section`,
    )
  }
  await Promise.all([store.close(), locks.close(), bare.close()])
}

async function queues({ url, ms, rounds, admin }) {
  const kinds = ['polling', 'alone', 'cohort', 'strict']
  const figures = Object.fromEntries(kinds.map(kind => [kind, []]))
  for (let round = 0; round < Math.min(rounds, 3); round += 1)
    for (const kind of kinds) figures[kind].push(await queue({ url, ms, kind, admin }))
  for (const kind of kinds) {
    const middle = figures[kind].toSorted((a, b) => a.rate - b.rate)[Math.floor(figures[kind].length / 2)]
    const times = median(figures[kind].map((figure, round) => figure.rate / figures.polling[round].rate)).toFixed(2)
    console.log(
      `queue   ${kind.padEnd(7)} ${String(Math.round(middle.rate)).padStart(6)}/s   ${times} times polling   ` +
        `wait p50 ${middle.p50.toFixed(0)} p99 ${middle.p99.toFixed(0)} ms   most : fewest ${middle.mostToFewest.toFixed(2)}   ` +
        `${middle.statements.toFixed(2)} round trips a section`,
    )
  }
  console.log(`        goals: cohort ${GOALS.queue} times polling, most : fewest under ${GOALS.mostToFewest}`)
}

async function queue({ url, ms, kind, admin }) {
  const order = { url, ms, kind, key: `queue:${randomUUID()}` }
  const workers = (kind === 'alone' ? [0] : [0, 1]).map(() => fork(SELF, ['worker', JSON.stringify(order)]))
  await Promise.all(workers.map(child => once(child, 'message')))
  const before = await questions(admin)
  const reports = workers.map(child => once(child, 'message'))
  for (const child of workers) child.send('start')
  const results = (await Promise.all(reports)).map(([report]) => report)
  const waits = results.flatMap(report => report.waits).toSorted((a, b) => a - b)
  const counts = results.flatMap(report => report.counts)
  const at = part => waits[Math.min(waits.length - 1, Math.floor(waits.length * part))] ?? 0
  return {
    rate: (waits.length * 1_000) / ms,
    p50: at(0.5),
    p99: at(0.99),
    mostToFewest: Math.max(...counts) / Math.min(...counts),
    statements: ((await questions(admin)) - before) / waits.length,
  }
}

async function worker({ url, ms, kind, key }) {
  const bare = kind === 'polling' || kind === 'alone' ? await bareRow(url) : null
  const locks = createLocks(mysqlStore(url), { fair: kind === 'strict' ? 'strict' : 'cohort', wait: '60s' })
  const run = bare === null ? task => locks.run(key, task) : task => bare.poll(key, task)
  await run(async () => {})
  process.send('ready')
  await once(process, 'message')
  const waits = []
  const counts = Array.from({ length: kind === 'alone' ? 1 : 16 }, () => 0)
  const until = performance.now() + ms
  const task = async index => {
    while (performance.now() < until) {
      const askedAt = performance.now()
      await run(async () => {
        waits.push(performance.now() - askedAt)
        counts[index] += 1
        await sleep(INSIDE_MS)
      })
      if (kind !== 'alone') await sleep(BETWEEN_MS)
    }
  }
  await Promise.all(counts.map((_, index) => task(index)))
  process.send({ waits, counts })
  await locks.close()
  await bare?.close()
  process.disconnect()
}

/** An upsert and a delete, each its own transaction. */
async function bareRow(url) {
  const connection = await createConnection(url)
  const put = 'INSERT INTO bare VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE owner = VALUES(owner), ends = VALUES(ends)'
  const remove = 'DELETE FROM bare WHERE id = ? AND owner = ?'
  const owner = Buffer.from(randomUUID())
  const id = key => Buffer.from(key)
  return {
    async section(key) {
      await connection.query(put, [id(key), owner, Date.now() + 15_000])
      await connection.query(remove, [id(key), owner])
    },
    /** As one would without a queue: try, and try again after a while. */
    async poll(key, task) {
      const mine = Buffer.from(randomUUID())
      const insert = 'INSERT IGNORE INTO bare VALUES (?, ?, ?)'
      while ((await connection.query(insert, [id(key), mine, Date.now() + 15_000]))[0].affectedRows === 0)
        await sleep(POLL_MS)
      await task()
      await connection.query(remove, [id(key), mine])
    },
    close: () => connection.end(),
  }
}

function driverSection(store) {
  const request = { holder: 'bench', mode: 'exclusive', limit: null, ttlMs: 15_000, waiterTtlMs: 5_000 }
  let count = 0
  return async key => {
    const id = `bench:${(count += 1)}`
    await store.enter({ ...request, key, id, queue: true, tokens: 32, meta: {} }, IO)
    await store.leave({ key, id, keepMs: 0, forbidMs: 0 }, IO)
  }
}

async function counted(admin, work) {
  const before = await questions(admin)
  const { rate, done } = await work()
  return { rate, statements: ((await questions(admin)) - before) / done }
}

async function questions(admin) {
  const [[row]] = await admin.query("SHOW GLOBAL STATUS LIKE 'Questions'")
  return Number(row.Value)
}

async function rateOf(section, { tasks, ms }) {
  const startedAt = performance.now()
  let done = 0
  const task = async key => {
    while (performance.now() - startedAt < ms) {
      await section(key)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: tasks }, (_, index) => task(`bench:${index}`)))
  return { done, rate: (done * 1_000) / (performance.now() - startedAt) }
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
}
