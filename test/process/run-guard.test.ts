/**
 * `holdfast run` killed or stopped at random moments: when the lease is another's, nothing of the command is alive.
 *
 * The judge is a contender of its own, which waits in the queue and so gets the lock as soon as the store gives it
 * away. At that moment no process that was started under the key may be alive, whether it ends when asked (odd rounds)
 * or not.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { open } from '../../src/index.ts'
import type { Locks } from '../../src/index.ts'
import { createSite, fixture, isRunning, numbersIn, until } from '../support/holdfast.ts'
import type { Running } from '../support/holdfast.ts'

const ROUNDS = 50
const AT_ONCE = 8
const TTL_MS = 2_000
/** More than a round takes, unless a process that is stopped inside a transaction keeps the file busy for all. */
const STUCK_MS = 8_000
/** Several of them may have to be freed before a command can start. */
const START_MS = 240_000

const site = createSite()
const keys: string[] = []
afterAll(() => {
  site.clear()
  for (const key of keys) for (const pid of alive(key)) process.kill(pid, 'SIGKILL')
})

interface Round {
  readonly key: string
  readonly pids: string
  readonly running: Running
}

/** Every process whose environment says that it was started under this key. */
function alive(key: string): readonly number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => isRunning(pid) && environmentOf(pid).includes(`HOLDFAST_KEY=${key}`))
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    return []
  }
}

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

function begin(name: string, round: number): Round {
  const key = `${name}-${round}`
  const pids = site.path(`${key}.pids`)
  keys.push(key)
  const running = site.start([
    'run',
    key,
    '--ttl',
    `${TTL_MS}ms`,
    '--',
    fixture('family.sh'),
    pids,
    ...(round % 2 === 0 ? ['stubborn'] : []),
  ])
  return { key, pids, running }
}

/** How long a start takes here and now, so that half of the moments fall into it. */
async function startTime(name: string): Promise<number> {
  const before = Date.now()
  const { pids, running } = begin(name, -1)
  await until('the command', () => numbersIn(pids))
  running.child.kill('SIGTERM')
  await running.finished
  return Date.now() - before
}

/** Strikes at a random moment: in half of the rounds while it starts, in the others while the command runs. */
async function strike(signal: 'SIGKILL' | 'SIGSTOP', { running, pids }: Round, startMs: number): Promise<void> {
  if (Math.random() < 0.5) await sleep(Math.random() * startMs * 1.2)
  else {
    await until('the command', () => numbersIn(pids), START_MS)
    await sleep(Math.random() * TTL_MS)
  }
  running.child.kill(signal)
}

interface Found {
  readonly left: readonly number[]
  readonly ran: boolean
  /** It had to be killed, so that the contender could come in. */
  readonly freed: boolean
}

/** What the contender finds alive in the moment in which the lock is its own. */
async function survivors(locks: Locks, { key, pids, running }: Round): Promise<Found> {
  let freed = false
  const freeing = setTimeout(() => (freed = running.child.kill('SIGKILL')), STUCK_MS)
  const lease = await locks.acquire(key, { wait: START_MS })
  const found = { left: alive(key), ran: numbersIn(pids) !== undefined, freed }
  clearTimeout(freeing)
  await lease.release()
  return found
}

async function rounds(count: number, play: (round: number) => Promise<void>): Promise<void> {
  let next = 0
  const player = async (): Promise<void> => {
    while (next < count) await play(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, player))
}

describe('nothing of the command is alive when the lease is another`s', () => {
  test(`holdfast is killed (-9), ${ROUNDS} rounds`, async () => {
    const locks = await open(site.store)
    const startMs = await startTime('killed')
    let ran = 0
    await rounds(ROUNDS, async index => {
      const round = begin('killed', index)
      await strike('SIGKILL', round, startMs)
      const found = await survivors(locks, round)
      expect(found.left, `round ${index}`).toEqual([])
      ran += found.ran ? 1 : 0
    })
    await locks.close()
    expect(ran).toBeGreaterThan(ROUNDS / 4)
  })

  test(`holdfast is stopped (SIGSTOP), ${ROUNDS} rounds; continued it exits 76`, async () => {
    const locks = await open(site.store)
    const startMs = await startTime('stopped')
    let ran = 0
    await rounds(ROUNDS, async index => {
      const round = begin('stopped', index)
      await strike('SIGSTOP', round, startMs)
      const found = await survivors(locks, round)
      expect(found.left, `round ${index}`).toEqual([])
      round.running.child.kill('SIGCONT')
      // Stopped before it had the lock it now gets it, and runs the command rightly.
      if (!found.ran) round.running.child.kill('SIGTERM')
      const { code, stderr } = await round.running.finished
      if (found.ran && !found.freed) expect(code, stderr).toBe(76)
      ran += found.ran ? 1 : 0
    })
    await locks.close()
    expect(ran).toBeGreaterThan(ROUNDS / 4)
  })
})
