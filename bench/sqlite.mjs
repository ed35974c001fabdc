// The SQLite store against the least that any lock in the same engine costs: a row put in and taken out, each in a
// transaction of its own, as durable. Run `npm run build` first.
//
//   node bench/sqlite.mjs [--rounds 80] [--sections 100]
//
// The two take turns in short rounds, since the disk's mood changes within seconds; the median of the rounds' ratios is
// judged.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DatabaseSync } from '@photostructure/sqlite'
import { sqliteStore } from '../dist/drivers/sqlite.js'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '80' }, sections: { type: 'string', default: '100' } },
})
const rounds = Number(values.rounds)
const sections = Number(values.sections)
const GOAL = 0.8
const WARM_UP = 20

const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
try {
  const bare = bareRow(join(directory, 'bare.db'))
  const store = sqliteStore(join(directory, 'locks.db'))
  const figures = []
  for (let round = 0; round < WARM_UP + rounds; round += 1)
    figures.push({ bare: await perSecond(bare), holdfast: await perSecond(section(store)) })
  figures.splice(0, WARM_UP)
  await store.close()

  const ratio = median(figures.map(figure => figure.holdfast / figure.bare))
  console.log(`bare upsert + delete  ${Math.round(median(figures.map(figure => figure.bare)))} a second`)
  console.log(`holdfast enter + leave  ${Math.round(median(figures.map(figure => figure.holdfast)))} a second`)
  console.log(`ratio  ${ratio.toFixed(2)}, median of ${rounds} rounds (goal: at least ${GOAL})`)
  process.exitCode = ratio >= GOAL ? 0 : 1
} finally {
  rmSync(directory, { recursive: true })
}

function bareRow(file) {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = FULL')
  database.exec('CREATE TABLE locks (key TEXT PRIMARY KEY, owner TEXT, expires_at INTEGER)')
  const put = database.prepare(
    'INSERT INTO locks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at',
  )
  const remove = database.prepare('DELETE FROM locks WHERE key = ? AND owner = ?')
  return async id => {
    if (!database.isOpen) throw new Error('A database that nobody refers to is closed with its statements.')
    put.run('report', id, Date.now() + 15_000)
    remove.run('report', id)
  }
}

function section(store) {
  const io = { timeoutMs: 5_000 }
  const request = {
    key: 'report',
    holder: 'bench',
    mode: 'exclusive',
    limit: null,
    ttlMs: 15_000,
    waiterTtlMs: 5_000,
    queue: true,
    tokens: 32,
    meta: {},
  }
  return async id => {
    await store.enter({ ...request, id }, io)
    await store.leave({ key: 'report', id, keepMs: 0, forbidMs: 0 }, io)
  }
}

async function perSecond(run) {
  const startedAt = performance.now()
  for (let index = 0; index < sections; index += 1) await run(`ticket-${startedAt}-${index}`)
  return (sections * 1_000) / (performance.now() - startedAt)
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
}
