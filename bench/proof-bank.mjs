// A bank whose clerks are killed, paused and cut off while they move money.
//
//   npm run proof:bank [-- --seconds 60 --dialects sqlite,postgres,mysql --clerks 8 --store URL]
//
// Eight processes move money between ten accounts under `runAll` and `fence`: lock both accounts, think, begin, raise
// both, read both balances, think, write both, commit. Meanwhile they are killed (-9) and replaced, paused past the ttl
// of their leases, or cut off from the database. The sum of all balances must never change (it is asked for all the
// time, and at the end), and no account may take a write with a token older than one before. The locks are in a Redis
// of the proof's own, unless --store names another: in a SQLite file a paused clerk can keep out all the others.
//
// The same run without `fence` must lose money, or the proof would prove nothing. SQLite locks the whole file from
// BEGIN IMMEDIATE on, so there, without a fence, the balances are read before it.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { open } from '../dist/index.js'
import { startProxy } from '../dist/lab/faults/proxy.js'
import { fence, retryTransaction } from '../dist/sql/index.js'
import { REDIS } from '../dist/servers/redis.js'
import { startServer } from '../dist/servers/start.js'
import { connect, DIALECTS, migrate, startDatabase } from './databases.mjs'
import { judge, start, tell, told } from './proving.mjs'

const TTL_MS = 500
const ACCOUNTS = 10
const EACH = 1_000
/** A clerk thinks for so long at most, before the transaction and inside. */
const THINKING_MS = 100
const HANDS = 3
/** Between two injuries by one hand. */
const PEACE_MS = [50, 250]
const PAUSE_MS = [2 * TTL_MS, 5 * TTL_MS]

const program = fileURLToPath(import.meta.url)

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      dialects: { type: 'string', default: DIALECTS.join() },
      clerks: { type: 'string', default: '8' },
      store: { type: 'string' },
    },
  })
  const seconds = Number(values.seconds)
  const clerks = Number(values.clerks)
  const judgements = []
  const redis = values.store === undefined ? await startServer(REDIS) : null
  const store = values.store ?? redis.address
  for (const dialect of values.dialects.split(',')) {
    const fenced = await run({ dialect, clerks, store, fenced: true, seconds })
    // It ends as soon as money is lost.
    const bare = await run({ dialect, clerks, store, fenced: false, seconds })
    judgements.push(
      [
        `${dialect}: with fence the sum never changed, in ${fenced.looks} looks`,
        fenced.wrong === 0 && fenced.sum === ACCOUNTS * EACH,
      ],
      [`${dialect}: with fence no stale write was accepted, of ${fenced.moves}`, fenced.stale === 0],
      [`${dialect}: with fence money was moved, and late clerks were refused`, fenced.moves > 0 && fenced.refused > 0],
      [`${dialect}: without fence the sum is ${bare.sum} and not ${ACCOUNTS * EACH}`, bare.sum !== ACCOUNTS * EACH],
    )
  }
  await redis?.close()
  judge(judgements)
}

async function run({ dialect, fenced, ...given }) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bank-'))
  const database = await startDatabase(dialect, directory)
  let result
  try {
    result = await day({ fenced, ...given, database })
  } finally {
    await database.stop()
    rmSync(directory, { recursive: true })
  }
  const { killed, paused, cut, moves, refused, stale, sum, wrong } = result
  console.log(
    `${dialect}, ${fenced ? 'with fence' : 'without'}: ${moves} moves of money in ${Math.round(result.tookS)} s; ` +
      `${killed} clerks killed, ${paused} paused past their ttl, ${cut} cut off; ${refused} late ones refused, ` +
      `${stale} stale writes accepted; sum ${sum}, wrong in ${wrong} of ${result.looks} looks`,
  )
  return result
}

async function day({ clerks, fenced, seconds, store, database }) {
  const bank = await connect(database.address)
  await found(bank)
  const offices = await Promise.all(Array.from({ length: clerks }, () => openOffice(database)))
  const tally = { refused: 0, killed: 0, paused: 0, cut: 0, looks: 0, wrong: 0 }
  // Locks of this day alone, whatever else is in the store.
  const namespace = `bank-${randomUUID()}`
  const employ = office => {
    office.clerk = start(program, ['clerk', store, office.address, fenced ? 'fence' : 'bare', namespace])
    office.clerk.onMessage(({ type }) => {
      if (type === 'refused') tally.refused += 1
    })
  }
  offices.forEach(employ)

  const startedAt = performance.now()
  const isOver = () =>
    performance.now() - startedAt > seconds * 1_000 ||
    (!fenced && tally.wrong > 0 && performance.now() - startedAt > 5_000)
  const auditing = audit(bank, tally, isOver)
  // Several at once, and each clerk by one hand only.
  const hurting = Array.from({ length: HANDS }, async (_, hand) => {
    const own = offices.filter((_office, index) => index % HANDS === hand)
    while (!isOver()) {
      await sleep(between(PEACE_MS))
      await hurt(own[Math.floor(Math.random() * own.length)], { tally, employ })
    }
  })
  await Promise.all(hurting)
  await auditing
  await closeOffices(offices)
  const tookS = (performance.now() - startedAt) / 1_000
  const [{ moves }] = await bank.query('SELECT COUNT(*) AS moves FROM move')
  const result = { ...tally, tookS, moves: Number(moves), stale: await staleWrites(bank), sum: await sumOf(bank) }
  await bank.close()
  return result
}

async function found(bank) {
  const serial = {
    sqlite: 'INTEGER PRIMARY KEY',
    postgres: 'BIGSERIAL PRIMARY KEY',
    mysql: 'BIGINT AUTO_INCREMENT PRIMARY KEY',
  }
  await migrate(
    bank,
    'CREATE TABLE account (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL)',
    `CREATE TABLE move (at ${serial[bank.dialect]}, account INTEGER NOT NULL, token BIGINT NOT NULL)`,
  )
  for (let id = 0; id < ACCOUNTS; id += 1) await bank.query('INSERT INTO account VALUES (?, ?)', [id, EACH])
}

/** A clerk's own way to the database, so that it can be cut. */
async function openOffice(database) {
  if (database.port === undefined) return { address: database.address, clerk: null, proxy: null }
  const proxy = await startProxy({ host: database.host, port: database.port })
  return { address: database.address.replace(`:${database.port}/`, `:${proxy.port}/`), clerk: null, proxy }
}

async function hurt(office, { tally, employ }) {
  // At its work, since most of the time it waits, when nothing can happen to it.
  await Promise.race([office.clerk.next('holds').catch(() => {}), sleep(1_000)])
  const kinds = ['killed', 'paused', 'paused', ...(office.proxy === null ? [] : ['cut'])]
  const kind = kinds[Math.floor(Math.random() * kinds.length)]
  tally[kind] += 1
  if (kind === 'killed') {
    office.clerk.kill9()
    await office.clerk.ended
    employ(office)
  } else if (kind === 'paused') {
    const { pid } = office.clerk
    process.kill(pid, 'SIGSTOP')
    await sleep(between(PAUSE_MS))
    process.kill(pid, 'SIGCONT')
  } else office.proxy.cut()
}

/** Asks for the sum in one statement, which sees whole transactions only. */
async function audit(bank, tally, isOver) {
  while (!isOver()) {
    await sleep(20)
    tally.looks += 1
    if ((await sumOf(bank)) !== ACCOUNTS * EACH) tally.wrong += 1
  }
}

async function sumOf(bank) {
  const [{ sum }] = await bank.query('SELECT SUM(balance) AS sum FROM account')
  return Number(sum)
}

/** Moves are numbered while both accounts are locked, so in the order of their commits. */
async function staleWrites(bank) {
  const moves = await bank.query('SELECT account, token FROM move ORDER BY at')
  const newest = new Map()
  let count = 0
  for (const { account, token } of moves) {
    if (Number(token) < (newest.get(account) ?? 0)) count += 1
    newest.set(account, Math.max(Number(token), newest.get(account) ?? 0))
  }
  return count
}

async function closeOffices(offices) {
  for (const { clerk, proxy } of offices) {
    clerk.say('end')
    await Promise.race([clerk.ended, sleep(10_000)])
    clerk.kill9()
    await clerk.ended
    await proxy?.close()
  }
}

// ---------------------------------------------------------------- a clerk, in a process of its own

async function clerk(store, address, way, namespace) {
  let locks = null
  let ended = false
  void told('end').then(() => (ended = true))
  let connection = null
  while (!ended) {
    try {
      // A clerk may be paused for longer than a store waits for its first words.
      locks ??= await open(store, { ttl: TTL_MS, wait: '10s', namespace })
      connection ??= await connect(address)
      const own = connection
      const pair = twoAccounts()
      await locks.runAll(
        pair.map(id => `account:${id}`),
        async leases => {
          await tell({ type: 'holds' })
          await thinking(null)
          return retryTransaction(() => MOVES[way](own, { leases, pair }))
        },
      )
    } catch (error) {
      if (error.name === 'StaleTokenError' || error.outcome?.reason?.name === 'StaleTokenError')
        process.send({ type: 'refused' })
      // Whatever else it was, the connection may be in the middle of something.
      await Promise.race([connection?.close().catch(() => {}), sleep(1_000)])
      connection = null
      await sleep(Math.random() * 20)
    }
  }
  await connection?.close()
  await locks?.close()
  process.disconnect()
}

const MOVES = {
  fence: (connection, { leases, pair }) =>
    connection.transaction(async tx => {
      // In the order of the set, which is the same for all.
      for (const [key, token] of leases.tokens) await fence(tx, { key, token })
      await move(tx, { leases, pair, balances: await balancesOf(tx, pair) })
    }),

  async bare(connection, { leases, pair }) {
    const early = connection.dialect === 'sqlite' ? await thinking(balancesOf(outside(connection), pair)) : null
    await connection.transaction(async tx => {
      await move(tx, { leases, pair, balances: early ?? (await balancesOf(tx, pair)) })
    })
  },
}

function outside(connection) {
  return { rows: text => connection.query(text) }
}

async function balancesOf(tx, pair) {
  const rows = await tx.rows(`SELECT id AS id, balance AS balance FROM account WHERE id IN (${pair.join()})`, [])
  return new Map(rows.map(({ id, balance }) => [Number(id), Number(balance)]))
}

async function thinking(decision) {
  const decided = await decision
  await sleep((0.3 + 0.7 * Math.random()) * THINKING_MS)
  return decided
}

async function move(tx, { leases, pair: [from, to], balances }) {
  const amount = Math.ceil(Math.random() * 10)
  // Not with the whole file locked.
  if (tx.dialect !== 'sqlite') await thinking(null)
  for (const [id, change] of [
    [from, -amount],
    [to, amount],
  ]) {
    const token = leases.tokens.get(`account:${id}`)
    await tx.execute(`UPDATE account SET balance = ${balances.get(id) + change} WHERE id = ${id}`, [])
    await tx.execute(`INSERT INTO move (account, token) VALUES (${id}, ${token})`, [])
  }
}

function twoAccounts() {
  const from = Math.floor(Math.random() * ACCOUNTS)
  return [from, (from + 1 + Math.floor(Math.random() * (ACCOUNTS - 1))) % ACCOUNTS]
}

function between([least, most]) {
  return least + Math.random() * (most - least)
}

const [role, ...words] = process.argv.slice(2)
if (role === 'clerk') await clerk(...words)
else await main()
