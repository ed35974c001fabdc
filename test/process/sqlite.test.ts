import { execFile, execFileSync, fork, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, expect, test } from 'vitest'
import { sqliteStore } from '../../src/drivers/sqlite.ts'
import type { TicketRequest } from '../../src/store/contract.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const fixture = (name: string): string => join(root, 'test', 'fixtures', 'sqlite', `${name}.mjs`)
const directory = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'))
const io = { timeoutMs: 10_000 }
let files = 0
const newFile = (): string => join(directory, `${(files += 1)}.db`)

const children = new Set<ChildProcess>()
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})
afterAll(() => rmSync(directory, { recursive: true }))

function ask(id: string, changes: Partial<TicketRequest> = {}): TicketRequest {
  return {
    key: 'report',
    id,
    holder: id,
    mode: 'exclusive',
    limit: null,
    ttlMs: 15_000,
    waiterTtlMs: 5_000,
    queue: true,
    tokens: 32,
    meta: {},
    ...changes,
  }
}

interface News {
  readonly what: string
  readonly news: readonly unknown[]
  readonly at: number
}

/** A store in a process of its own. */
async function remote(file: string): Promise<{
  readonly child: ChildProcess
  call(verb: string, argument?: unknown): Promise<unknown>
  news(what: string): Promise<News>
}> {
  const child = fork(fixture('store'), [file])
  children.add(child)
  const told: News[] = []
  const waiting = new Map<number, (message: unknown) => void>()
  let number = 0
  const ready = new Promise<void>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the child ended with ${String(code)}`)))
    child.on('message', message => {
      const { what, number } = Object(message)
      if (what === 'ready') return resolve()
      if (number !== undefined) return waiting.get(number)?.(message)
      told.push({ what, news: Object(message).news, at: Object(message).at })
    })
  })
  await ready
  return {
    child,
    call: (verb, argument) =>
      new Promise(resolve => {
        number += 1
        waiting.set(number, message => resolve(Object(message).answer ?? Object(message).error))
        child.send({ number, verb, argument })
      }),
    async news(what) {
      for (const end = Date.now() + 10_000; Date.now() < end; await new Promise(resolve => setTimeout(resolve, 1))) {
        const index = told.findIndex(item => item.what === what)
        if (index >= 0) return told.splice(index, 1)[0] ?? { what, news: [], at: 0 }
      }
      throw new Error(`"${what}" was never told`)
    },
  }
}

test('a waiter in another process is told within milliseconds', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  const other = await remote(file)
  await other.call('listen')
  const latencies: number[] = []
  for (let round = 0; round < 50; round += 1) {
    await store.enter(ask(`a${round}`), io)
    expect(await other.call('enter', ask(`b${round}`))).toMatchObject({ status: 'waits', ahead: 1 })
    await store.leave({ key: 'report', id: `a${round}`, keepMs: 0, forbidMs: 0 }, io)
    const leftAt = performance.timeOrigin + performance.now()
    const { news, at } = await other.news('holds')
    expect(news[0]).toBe('report')
    latencies.push(at - leftAt)
    await other.call('leave', { key: 'report', id: `b${round}`, keepMs: 0, forbidMs: 0 })
  }
  const median = latencies.toSorted((a, b) => a - b)[25] ?? Infinity
  console.log(`told across processes after ${median.toFixed(1)} ms (median of 50)`)
  expect(median).toBeLessThan(100)
  await store.close()
})

test('a revocation reaches a holder and a waiter in another process', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  const other = await remote(file)
  await other.call('listen')
  const holding: unknown = await other.call('enter', ask('holder'))
  const waiting: unknown = await other.call('enter', ask('waiter'))
  const { token } = Object(waiting)
  await store.revoke('report', { tickets: Number(token), reason: 'not today', now: false }, io)
  expect((await other.news('revoked')).news).toEqual(['report', token, 'not today'])
  await store.revoke('report', { tickets: 'holders', reason: 'maintenance', now: false }, io)
  expect((await other.news('revoked')).news).toEqual(['report', Object(holding).token, 'maintenance'])
  await store.close()
})

test('a process killed inside a transaction leaves nothing half done and delays nobody', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  await store.enter(ask('a', { ttlMs: 600_000 }), io)
  for (let round = 0; round < 10; round += 1) {
    const child = spawn(process.execPath, [fixture('inside'), file], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.add(child)
    await new Promise<void>(resolve => child.stdout.once('data', () => resolve()))
    await expect(store.enter(ask('early'), { timeoutMs: 20 })).rejects.toMatchObject({ ambiguous: false })
    const waiting = store.enter(ask(`w${round}`, { queue: false }), io)
    child.kill('SIGKILL')
    const killedAt = performance.now()
    expect(await waiting).toMatchObject({ status: 'refused', holders: [{ holder: 'a' }] })
    expect(performance.now() - killedAt).toBeLessThan(2_000)
  }
  await store.close()
})

test('processes that open a new file at once all find their way in', async () => {
  for (let round = 0; round < 8; round += 1) {
    const file = newFile()
    const startAt = String(Date.now() + 400)
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => run(process.execPath, [fixture('once'), file, `p${index}`, startAt])),
    )
    const statuses = answers.map(answer => String(Object(JSON.parse(answer.stdout)).status ?? answer.stdout))
    expect(statuses.toSorted()).toEqual(['holds', 'waits', 'waits', 'waits', 'waits', 'waits'])
  }
})

test('of four busy processes none starves', async () => {
  const file = newFile()
  await sqliteStore(file).inspect('report', io)
  const startAt = String(Date.now() + 600)
  const outputs = await Promise.all(
    ['a', 'b', 'c', 'd'].map(key => run(process.execPath, [fixture('writer'), file, key, startAt, '4000'])),
  )
  const results = outputs.map(({ stdout }) => Object(JSON.parse(stdout)))
  const sections = results.map(result => Number(result.sections))
  console.log(
    `sections ${sections.join(' ')}; longest wait ${Math.max(...results.map(result => Number(result.longestMs))).toFixed(0)} ms`,
  )
  expect(Math.min(...sections)).toBeGreaterThan(0)
  // Where the engine itself waits, the unlucky get a hundredth and less. A busy machine shares its cores unevenly, too.
  expect(Math.max(...sections) / Math.min(...sections)).toBeLessThan(20)
})

test('a process that waits in vain does not stay alive for its timers', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  await store.enter(ask('a'), io)
  const other = await remote(file)
  await other.call('listen')
  await other.call('enter', ask('b'))
  const ended = new Promise(resolve => other.child.once('exit', code => resolve(code)))
  other.child.disconnect()
  expect(await ended).toBe(0)
  await store.close()
})

// ---------------------------------------------------------------- files that cannot be written

const isRoot = process.getuid?.() === 0

/** A copy of the compiled package that user nobody can read, since this one may be out of its reach. */
function forNobody(): string {
  const copy = join(directory, 'nobody')
  if (existsSync(copy)) return copy
  mkdirSync(join(copy, 'test', 'fixtures', 'sqlite'), { recursive: true })
  for (const part of [
    'dist',
    'node_modules/@photostructure',
    'node_modules/node-gyp-build',
    'package.json',
    'test/fixtures/sqlite',
  ])
    cpSync(join(root, part), join(copy, part), { recursive: true })
  chmodSync(directory, 0o755)
  return copy
}

async function asNobody(
  file: string,
): Promise<{ readonly name?: string; readonly message?: string; readonly status?: string }> {
  const script = join(forNobody(), 'test', 'fixtures', 'sqlite', 'once.mjs')
  const { stdout } = await run(process.execPath, [script, file, 'nobody'], { uid: 65_534, gid: 65_534, cwd: '/' })
  return Object(JSON.parse(stdout))
}

test.for<[string, number, number]>([
  ['a file of somebody else', 0o644, 0o755],
  ['a file that may not be read', 0o600, 0o755],
  ['a directory of somebody else', 0o666, 0o755],
  ['a directory that may not be entered', 0o666, 0o700],
])('%s is refused by name', async ([what, fileMode, directoryMode], context) => {
  if (!isRoot) return context.skip('becoming another user needs root')
  const place = join(directory, what.replaceAll(' ', '-'))
  mkdirSync(place)
  const file = join(place, 'locks.db')
  const store = sqliteStore(file)
  await store.inspect('report', io)
  await store.close()
  chmodSync(file, fileMode)
  chmodSync(place, directoryMode)
  const answer = await asNobody(file)
  expect(answer).toMatchObject({ name: 'ConfigurationError' })
  expect(answer.message).toContain(file)
  expect(answer.message).not.toContain('undefined')
})

test('a file that cannot be changed (chattr +i) is refused by name', async context => {
  if (!isRoot) return context.skip('chattr needs root')
  const file = newFile()
  const store = sqliteStore(file)
  await store.inspect('report', io)
  await store.close()
  try {
    execFileSync('chattr', ['+i', file])
  } catch {
    return context.skip('this file system knows no chattr +i')
  }
  try {
    await expect(sqliteStore(file).enter(ask('a'), io)).rejects.toThrow(/read-only|cannot be opened/)
  } finally {
    execFileSync('chattr', ['-i', file])
  }
  expect(await sqliteStore(file).enter(ask('a'), io)).toMatchObject({ status: 'holds' })
})

test('a full disk is told, leaves nothing locked, and is over when there is room again', async context => {
  if (!isRoot) return context.skip('mounting a small disk needs root')
  const disk = join(directory, 'disk')
  mkdirSync(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'pipe' })
  } catch {
    return context.skip('this machine lets nobody mount a tmpfs')
  }
  const filler = join(disk, 'filler')
  const fill = (): void => {
    for (let size = 65_536; size >= 1; size /= 2) {
      try {
        for (;;) writeFileSync(filler, Buffer.alloc(size), { flag: 'a' })
      } catch {
        continue
      }
    }
  }
  try {
    const file = join(disk, 'locks.db')
    const store = sqliteStore(file)
    await store.enter(ask('a', { key: 'held before' }), io)
    fill()
    const errors: unknown[] = []
    for (let index = 0; index < 20; index += 1) {
      const key = `key ${index}`
      const answer: unknown = await store
        .enter(ask(`t${index}`, { key, meta: { note: 'x'.repeat(400) } }), io)
        .catch((error: unknown) => error)
      if (!(answer instanceof Error)) continue
      errors.push(answer)
      expect(await store.inspect(key, io)).toBeNull()
    }
    expect(errors.length).toBeGreaterThan(0)
    for (const error of errors) expect(error).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE' })
    expect(String(errors[0])).toMatch(/disk is full/)
    const fresh = sqliteStore(join(disk, 'fresh.db'))
    await expect(fresh.enter(ask('b'), { timeoutMs: 500 })).rejects.toThrow(/disk is full/)
    rmSync(filler)
    expect(await store.enter(ask('c', { key: 'afterwards' }), io)).toMatchObject({ status: 'holds' })
    expect(await store.renew([{ key: 'held before', id: 'a', ttlMs: 15_000 }], io)).toMatchObject([{ status: 'held' }])
    await store.close()
    await fresh.close()
  } finally {
    execFileSync('umount', ['-l', disk])
  }
})
