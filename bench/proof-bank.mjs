// A bank whose clerks are killed, paused and cut off while they move money.
//
//   npm run proof:bank [-- --seconds 60 --dialects sqlite,postgres,mysql --clerks 8 --store URL]
//
// Eight processes move money between ten accounts under `runAll` and `fence`: lock both accounts, begin, raise both,
// read both balances, write both, commit. At three places (it holds its leases; it has read; it has written) a clerk
// says so and goes on only when it is told to, so whatever happens to it happens there: it is killed (-9) and replaced,
// cut off from the database, or stopped. A stopped one goes on when others have moved money of its two accounts, or
// after some time, if they cannot: because it has locked the rows, or the whole file.
//
// The sum of all balances must never change (it is asked for all the time, and at the end), and no account may take a
// write with a token older than one before. The locks are in a Redis of the proof's own, unless --store names another:
// in a SQLite file a paused clerk can keep out all the others.
//
// The same run without `fence` must lose money, or the proof would prove nothing: whoever is stopped after reading
// writes over what others have done meanwhile. SQLite locks the whole file from BEGIN IMMEDIATE on, so there, without
// a fence, the balances are read before it.
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
const HANDS = 3
/** Between two injuries by one hand. */
const PEACE_MS = [50, 250]
const LEAST_PAUSE_MS = 1.5 * TTL_MS
/** Of one whose accounts nobody can move meanwhile. */
const MOST_PAUSE_MS = 5 * TTL_MS
/** What happens to clerks, and where. Being late before the fence and after reading is what the fence is for. */
const INJURIES = [
  ...['holds', 'read', 'written'].flatMap(gate => [
    { kind: 'paused', gate },
    { kind: 'killed', gate },
  ]),
  ...['read', 'written'].map(gate => ({ kind: 'cut', gate })),
  ...['holds', 'read'].flatMap(gate => Array.from({ length: 2 }, () => ({ kind: 'paused', gate }))),
]
/** A slow machine may take so many times as long, until what must happen once has happened. */
const PATIENCE = 5

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
    const bare = await run({ dialect, clerks, store, fenced: false, seconds })
    judgements.push(
      [
        `${dialect}: with fence the sum never changed, in ${fenced.looks} looks`,
        fenced.wrong === 0 && fenced.sum === ACCOUNTS * EACH,
      ],
      [`${dialect}: with fence no stale write was accepted, of ${fenced.moves}`, fenced.stale === 0],
      [`${dialect}: with fence money was moved, and late clerks were refused`, fenced.moves > 0 && fenced.refused > 0],
      [
        `${dialect}: without fence the sum came to ${bare.astray ?? bare.sum} and not ${ACCOUNTS * EACH}`,
        bare.wrong > 0,
      ],
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
  const { killed, paused, overtaken, cut, moves, refused, stale, sum, wrong } = result
  console.log(
    `${dialect}, ${fenced ? 'with fence' : 'without'}: ${moves} moves of money in ${Math.round(result.tookS)} s; ` +
      `${killed} clerks killed, ${cut} cut off, ${paused} paused past their ttl, ${overtaken} of them until others ` +
      `had moved their money; ${refused} late ones refused, ` +
      `${stale} stale writes accepted; sum ${sum}, wrong in ${wrong} of ${result.looks} looks`,
  )
  return result
}

async function day({ clerks, fenced, seconds, store, database }) {
  const bank = await connect(database.address)
  await found(bank)
  const offices = await Promise.all(Array.from({ length: clerks }, () => openOffice(database)))
  const tally = { refused: 0, killed: 0, paused: 0, overtaken: 0, cut: 0, looks: 0, wrong: 0, astray: null }
  // Locks of this day alone, whatever else is in the store.
  const namespace = `bank-${randomUUID()}`
  const employ = office => {
    office.clerk = start(program, ['clerk', store, office.address, fenced ? 'fence' : 'bare', namespace])
    const { clerk } = office
    clerk.onMessage(({ type, ...where }) => {
      if (type === 'refused') tally.refused += 1
      if (type !== 'stands') return
      office.works = true
      const { awaited } = office
      // Between two hurts all may pass.
      if (awaited?.gate !== where.gate) return clerk.say('pass')
      office.awaited = null
      awaited.reached(where)
    })
  }
  offices.forEach(employ)

  await Promise.all(offices.map(office => until(() => office.works)))
  const startedAt = performance.now()
  // Without a fence it ends as soon as money is lost.
  const isOver = () => {
    const elapsedS = (performance.now() - startedAt) / 1_000
    return elapsedS > PATIENCE * seconds || (fenced ? elapsedS > seconds && tally.refused > 0 : tally.wrong > 0)
  }
  const auditing = audit(bank, tally, isOver)
  // Several at once, and each clerk by one hand only.
  const hurting = Array.from({ length: HANDS }, async (_, hand) => {
    const own = offices.filter((_office, index) => index % HANDS === hand)
    const eyes = await connect(database.address)
    while (!isOver()) {
      await sleep(between(PEACE_MS))
      await hurt(oneOf(own), { bank: eyes, tally, employ })
    }
    await eyes.close()
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
  const office = { address: database.address, clerk: null, works: false, awaited: null, proxy: null }
  if (database.port === undefined) return office
  const proxy = await startProxy({ host: database.host, port: database.port })
  return { ...office, address: office.address.replace(`:${database.port}/`, `:${proxy.port}/`), proxy }
}

async function hurt(office, { bank, tally, employ }) {
  const { kind, gate } = oneOf(INJURIES.filter(injury => injury.kind !== 'cut' || office.proxy !== null))
  const standing = new Promise(reached => (office.awaited = { gate, reached }))
  // It may have to wait for its accounts as long as others are paused.
  const stands = await Promise.race([standing, sleep(MOST_PAUSE_MS, null)])
  office.awaited = null
  if (stands === null) return
  tally[kind] += 1
  const { clerk } = office
  if (kind === 'killed') {
    clerk.kill9()
    await clerk.ended
    employ(office)
    return
  }
  if (kind === 'cut') office.proxy.cut()
  else {
    process.kill(clerk.pid, 'SIGSTOP')
    if (await othersMoved(bank, stands.pair)) tally.overtaken += 1
  }
  // The pipe has it before the clerk goes on.
  clerk.say('pass')
  process.kill(clerk.pid, 'SIGCONT')
}

/** The two accounts together have more or less than before: writing both as they were would change the sum. */
async function othersMoved(bank, pair) {
  const before = await sumOf(bank, pair)
  const since = performance.now()
  let moved = false
  do {
    await sleep(20)
    moved = (await sumOf(bank, pair)) !== before
  } while (performance.now() - since < (moved ? LEAST_PAUSE_MS : MOST_PAUSE_MS))
  return moved
}

async function until(isSo) {
  while (!isSo()) await sleep(10)
}

/** Asks for the sum in one statement, which sees whole transactions only. */
async function audit(bank, tally, isOver) {
  while (!isOver()) {
    await sleep(20)
    const sum = await sumOf(bank)
    tally.looks += 1
    if (sum === ACCOUNTS * EACH) continue
    tally.wrong += 1
    tally.astray ??= sum
  }
}

async function sumOf(bank, accounts = Array.from({ length: ACCOUNTS }, (_, id) => id)) {
  const [{ sum }] = await bank.query(`SELECT SUM(balance) AS sum FROM account WHERE id IN (${accounts.join()})`)
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
          await gate('holds', pair)
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
    const early = connection.dialect === 'sqlite' ? await balancesOf(outside(connection), pair) : null
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
  await gate('read', pair)
  return new Map(rows.map(({ id, balance }) => [Number(id), Number(balance)]))
}

/** Says where it is, and waits until it may go on. */
async function gate(name, pair) {
  const passed = told('pass')
  await tell({ type: 'stands', gate: name, pair })
  await passed
}

async function move(tx, { leases, pair, balances }) {
  const [from, to] = pair
  const amount = Math.ceil(Math.random() * 10)
  for (const [id, change] of [
    [from, -amount],
    [to, amount],
  ]) {
    const token = leases.tokens.get(`account:${id}`)
    await tx.execute(`UPDATE account SET balance = ${balances.get(id) + change} WHERE id = ${id}`, [])
    await tx.execute(`INSERT INTO move (account, token) VALUES (${id}, ${token})`, [])
  }
  await gate('written', pair)
}

function twoAccounts() {
  const from = Math.floor(Math.random() * ACCOUNTS)
  return [from, (from + 1 + Math.floor(Math.random() * (ACCOUNTS - 1))) % ACCOUNTS]
}

function oneOf(some) {
  return some[Math.floor(Math.random() * some.length)]
}

function between([least, most]) {
  return least + Math.random() * (most - least)
}

const [role, ...words] = process.argv.slice(2)
if (role === 'clerk') await clerk(...words)
else await main()
