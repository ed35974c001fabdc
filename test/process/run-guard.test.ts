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
/** More than a round takes, unless the process was stopped inside a transaction, which keeps its file busy. */
const STUCK_MS = 8_000
/** Only there to end what hangs. */
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

/**
 * Rounds that go on at the same time have files of their own: a process stopped inside a transaction delays no other.
 */
function storeOf(lane: number): string {
  return `sqlite:${site.path(`lane-${lane}.db`)}`
}

function begin(name: string, { round, lane }: { readonly round: number; readonly lane: number }): Round {
  // The processes of another run of these tests on this machine are not this one's.
  const key = `${name}-${process.pid}-${round}`
  const pids = site.path(`${key}.pids`)
  keys.push(key)
  const command = [fixture('family.sh'), pids, ...(round % 2 === 0 ? ['stubborn'] : [])]
  const env = { HOLDFAST_STORE: storeOf(lane) }
  const running = site.start(['run', key, '--ttl', `${TTL_MS}ms`, '--', ...command], { env })
  return { key, pids, running }
}

/** How long a start takes here and now, so that half of the moments fall into it. */
async function startTime(name: string): Promise<number> {
  const before = Date.now()
  const { pids, running } = begin(name, { round: -1, lane: 0 })
  await until('the command', () => numbersIn(pids))
  running.child.kill('SIGTERM')
  await running.finished
  return Date.now() - before
}

interface Moment {
  readonly round: number
  readonly startMs: number
}

/** Strikes at a random moment: in half of the rounds while it starts, in the others while the command runs. */
async function strike(
  signal: 'SIGKILL' | 'SIGSTOP',
  { running, pids }: Round,
  { round, startMs }: Moment,
): Promise<void> {
  if (round % 4 < 2) await sleep(Math.random() * startMs * 1.2)
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

interface Turn {
  readonly round: number
  readonly lane: number
  /** On the store of the lane. */
  readonly locks: Locks
}

async function rounds(count: number, play: (turn: Turn) => Promise<void>): Promise<void> {
  let next = 0
  const player = async (_: unknown, lane: number): Promise<void> => {
    const locks = await open(storeOf(lane))
    while (next < count) await play({ round: next++, lane, locks })
    await locks.close()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, player))
}

describe('nothing of the command is alive when the lease is another`s', () => {
  test(`holdfast is killed (-9), ${ROUNDS} rounds`, async () => {
    const startMs = await startTime('killed')
    let ran = 0
    await rounds(ROUNDS, async ({ round, lane, locks }) => {
      const begun = begin('killed', { round, lane })
      await strike('SIGKILL', begun, { round, startMs })
      const found = await survivors(locks, begun)
      expect(found.left, `round ${round}`).toEqual([])
      ran += found.ran ? 1 : 0
    })
    expect(ran).toBeGreaterThan(ROUNDS / 4)
  })

  test(`holdfast is stopped (SIGSTOP), ${ROUNDS} rounds; continued in time it exits 76`, async () => {
    const startMs = await startTime('stopped')
    let ran = 0
    await rounds(ROUNDS, async ({ round, lane, locks }) => {
      const begun = begin('stopped', { round, lane })
      await strike('SIGSTOP', begun, { round, startMs })
      const found = await survivors(locks, begun)
      expect(found.left, `round ${round}`).toEqual([])
      begun.running.child.kill('SIGCONT')
      // Stopped before it had the lock it now gets it, and runs the command rightly.
      if (!found.ran) begun.running.child.kill('SIGTERM')
      const { code, signal, stderr } = await begun.running.finished
      // Its guard kills it when its time is over.
      if (found.ran && !found.freed && signal !== 'SIGKILL') expect(code, stderr).toBe(76)
      ran += found.ran ? 1 : 0
    })
    expect(ran).toBeGreaterThan(ROUNDS / 4)
  })
})
