// What a holder does that was paused past its lease, and what keeps it from harm.
//
//   npm run proof:fencing [-- --rounds 100 --dialects sqlite,postgres,mysql]
//
// PostgreSQL and MariaDB must be installed, or left out of --dialects.
//
// Two count one row up, each under the lock: read, add one, write. The first is stopped (SIGSTOP) before its
// transaction begins, until its lease has run out and the second has read and not yet written. Then it goes on, as if
// nothing had been.
//
//   fence      each raises the row's token first in its transaction: the late write must be refused, every time
//   on write   the token is compared when the row is written, in one statement: updates must be lost
//
// And the first stopped inside its transaction, after its fence: the second must wait or fail typed, and of the two
// that were open at once only one may commit what it read.
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { open } from '../dist/index.js'
import { fence, fencedUpdate } from '../dist/sql/index.js'
import { connect, DIALECTS, migrate, startDatabase } from './databases.mjs'
import { judge, onStore, start, tell, told } from './proving.mjs'

const TTL_MS = 300
const LANES = 5
/** Of the case that waits for a limit of the database in each round. */
const ROUNDS_INSIDE = 20

const program = fileURLToPath(import.meta.url)
const [role, ...words] = process.argv.slice(2)
async function main() {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '100' }, dialects: { type: 'string', default: DIALECTS.join() } },
  })
  const rounds = Number(values.rounds)
  const judgements = []
  for (const dialect of values.dialects.split(',')) {
    await onStore(undefined, async (store, directory) => {
      const database = await startDatabase(dialect, directory)
      try {
        judgements.push(...(await prove({ dialect, store, address: database.address, rounds })))
      } finally {
        await database.stop()
      }
    })
  }
  judge(judgements)
}

async function prove({ dialect, store, address, rounds }) {
  const admin = await connect(address)
  await migrate(admin, 'CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL, fence_token BIGINT)')
  const lane = { store, address }
  const fenced = await inLanes(rounds, { ...lane, way: 'fence' })
  const onWrite = await inLanes(rounds, { ...lane, way: 'on write' })
  const inside = await inLanes(Math.min(rounds, ROUNDS_INSIDE), { ...lane, way: 'inside' })
  await admin.close()
  const count = (results, test) => results.filter(test).length
  const refused = count(fenced, ({ late }) => late === 'StaleTokenError')
  const lost = results => count(results, ({ value, commits }) => value !== commits)
  const typed = count(inside, ({ next }) => next === 'WaitTimeoutError')
  console.log(
    `${dialect}: late writes refused by fence ${refused} of ${rounds}, updates lost ${lost(fenced)}; ` +
      `with a check on write only, updates lost ${lost(onWrite)} of ${rounds}; ` +
      `paused inside its transaction, the next failed typed ${typed} of ${inside.length}, updates lost ${lost(inside)}`,
  )
  return [
    [`${dialect}: fence refuses the late write, ${refused} of ${rounds}`, refused === rounds && lost(fenced) === 0],
    [`${dialect}: a check on write alone loses updates, ${lost(onWrite)} of ${rounds}`, lost(onWrite) > 0],
    [
      `${dialect}: paused inside, the next failed typed ${typed} of ${inside.length}, and nothing was lost`,
      typed === inside.length && lost(inside) === 0,
    ],
  ]
}

/** Each lane has a holder, which lives on from round to round, a second of its own, and a row. */
async function inLanes(rounds, given) {
  const results = []
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    const holder = start(program, ['hold', given.store, given.address, given.way])
    const locks = await open(given.store, { ttl: TTL_MS, wait: '60s' })
    const connection = await connect(given.address)
    for (let round = lane; round < rounds; round += LANES) {
      const row = Math.floor(Math.random() * 2 ** 30)
      await again(() => connection.query('INSERT INTO counter VALUES (?, 0, 0)', [row]))
      const outcome = await ROUNDS[given.way]({ holder, locks, connection, row })
      const [{ value }] = await connection.query('SELECT value FROM counter WHERE id = ?', [row])
      results.push({ ...outcome, value: Number(value) })
    }
    await locks.close()
    await connection.close()
    holder.say('end')
    await holder.ended
  })
  await Promise.all(lanes)
  return results
}

/** An INSERT of its own finds a SQLite file busy now and then. */
async function again(work) {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!/locked/.test(error.message)) throw error
      await sleep(5)
    }
  }
}

const ROUNDS = {
  /** The second has raised and read, and not written, when the first comes back. */
  async fence({ holder, locks, connection, row }) {
    const lease = await successor({ holder, locks, row })
    const late = holder.next('late')
    await connection.transaction(async tx => {
      await fence(tx, lease)
      const value = await read(tx, row)
      wake(holder)
      await Promise.race([sleep(20), late])
      await write(tx, row, value + 1)
    })
    const { outcome } = await late
    await lease.release()
    return { late: outcome, commits: 1 + Number(outcome === 'committed') }
  },

  /** The second has read, and will compare its token when it writes. */
  async 'on write'({ holder, locks, connection, row }) {
    const lease = await successor({ holder, locks, row })
    const [{ value }] = await connection.query('SELECT value FROM counter WHERE id = ?', [row])
    const late = holder.next('late')
    wake(holder)
    const { outcome } = await late
    await again(() => connection.transaction(tx => fencedUpdate(tx, lease, change(row, Number(value) + 1))))
    await lease.release()
    return { late: outcome, commits: 1 + Number(outcome === 'committed') }
  },

  /** The first has raised and read when it is stopped; the second comes up against its row lock. */
  async inside({ holder, locks, connection, row }) {
    const lease = await successor({ holder, locks, row })
    const count = options =>
      connection.transaction(async tx => {
        await fence(tx, lease)
        await write(tx, row, (await read(tx, row)) + 1)
      }, options)
    // So that on SQLite too it is the fence that meets the lock.
    const next = await count({ lateLock: true }).then(
      () => 'committed',
      error => error.name,
    )
    const late = holder.next('late')
    wake(holder)
    const { outcome } = await late
    if (next !== 'committed') await again(count)
    await lease.release()
    return { next, late: outcome, commits: 1 + Number(outcome === 'committed') }
  },
}

/** The first holds and is stopped, and the lock comes to the second. */
async function successor({ holder, locks, row }) {
  const stands = holder.next('stands')
  holder.say({ row })
  await stands
  process.kill(holder.pid, 'SIGSTOP')
  return locks.acquire(`counter:${row}`)
}

function wake(holder) {
  process.kill(holder.pid, 'SIGCONT')
  holder.say('go')
}

/** The first: takes the lock, stands still where it is told to, and goes on whatever has become of its lease. */
async function hold(store, address, way) {
  const locks = await open(store, { ttl: TTL_MS, wait: '60s' })
  const connection = await connect(address)
  const stand = async () => {
    await tell({ type: 'stands' })
    await told('go')
  }
  for (;;) {
    const row = await nextRow()
    if (row === null) break
    // Without renewals, since one that is stopped in the middle of one would keep a SQLite file from all the others.
    const lease = await locks.acquire(`counter:${row}`, { renew: 'manual' })
    const outcome = await LATE[way]({ connection, lease, row, stand }).then(
      () => 'committed',
      error => error.name,
    )
    await lease.release()
    await tell({ type: 'late', outcome })
  }
  await locks.close()
  await connection.close()
  process.disconnect()
}

const LATE = {
  async fence({ connection, lease, row, stand }) {
    await stand()
    await connection.transaction(async tx => {
      await fence(tx, lease)
      await write(tx, row, (await read(tx, row)) + 1)
    })
  },
  async 'on write'({ connection, lease, row, stand }) {
    await stand()
    await again(() =>
      connection.transaction(async tx => fencedUpdate(tx, lease, change(row, (await read(tx, row)) + 1))),
    )
  },
  async inside({ connection, lease, row, stand }) {
    await connection.transaction(async tx => {
      await fence(tx, lease)
      const value = await read(tx, row)
      await stand()
      await write(tx, row, value + 1)
    })
  },
}

function nextRow() {
  return new Promise(resolve => {
    const listen = message => {
      if (message.type?.row === undefined && message.type !== 'end') return
      process.off('message', listen)
      resolve(message.type === 'end' ? null : message.type.row)
    }
    process.on('message', listen)
  })
}

function change(row, value) {
  return { table: 'counter', where: { id: row }, set: { value } }
}

async function read(tx, row) {
  const [found] = await tx.rows(`SELECT value AS value FROM counter WHERE id = ${Number(row)}`, [])
  return Number(found.value)
}

async function write(tx, row, value) {
  await tx.execute(`UPDATE counter SET value = ${Number(value)} WHERE id = ${Number(row)}`, [])
}

if (role === 'hold') await hold(...words)
else await main()
