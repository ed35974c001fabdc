/** Ways to take two locks, and what to do when the second one does not come. */
import { sleep, systemClock } from '../../../base/clock.ts'
import { LeaseLostError, StoreUnavailableError, WaitTimeoutError } from '../../../base/errors.ts'
import type { Locks } from '../../../locks/types.ts'
import type { Connection } from '../../database.ts'
import type { Turn, Way } from '../../declaration.ts'

export interface Means {
  readonly turn: Turn<unknown>
  readonly locks: Locks
  readonly connection: Connection
  /** Two keys, in the order of this worker's own: half of them have the other one. */
  readonly keys: readonly [string, string]
  readonly waitMs: number
  /** With the first lock in hand. */
  hasOne(): Promise<void>
}

export interface Does {
  /** @throws WaitTimeoutError  the second lock stayed held; the first is given back */
  attempt(means: Means): Promise<void>
  /** After such an error. null: it waits for ever instead. */
  readonly pauseMs: ((random: () => number) => number) | null
  /** Two workers are enough. */
  readonly pair?: true
}

const inOrder =
  (orderOf: (keys: readonly [string, string]) => readonly string[], endless = false) =>
  async ({ turn, locks, keys, waitMs, hasOne }: Means): Promise<void> => {
    const [one = '', two = ''] = orderOf(keys)
    // A first lock that is held belongs to somebody who will leave, or whose own wait ends.
    await locks.run(one, { wait: '1h', signal: turn.signal }, async () => {
      await hasOne()
      await locks.run(two, { wait: endless ? Infinity : waitMs, signal: turn.signal }, async () => turn.act('holds'))
    })
  }
const opposite = inOrder(keys => keys)
const atOnce: Does = { attempt: opposite, pauseMs: () => 0 }

/** A lock of holdfast and one of the database, which know nothing of each other. */
const mixed: Does = {
  ...atOnce,
  pair: true,
  async attempt({ turn, locks, connection, keys: [own, other], waitMs, hasOne }) {
    const [key] = [own, other].toSorted()
    if (key === own) {
      await locks.run(own, { wait: '1h', signal: turn.signal }, async () => {
        await hasOne()
        const waiting = (): void => turn.act('waits')
        await connection.transaction(async () => turn.act('holds'), { waiting, signal: turn.signal })
      })
    } else {
      await connection.transaction(
        async () => {
          await hasOne()
          await locks.run(other, { wait: waitMs, signal: turn.signal }, async () => turn.act('holds'))
        },
        { signal: turn.signal },
      )
    }
  },
}
const together: Does = {
  ...atOnce,
  attempt: ({ turn, locks, keys, waitMs, hasOne }) =>
    locks.runAll(keys, { wait: waitMs, signal: turn.signal }, async () => {
      turn.act('holds')
      await hasOne()
    }),
}
const ordered: Does = { ...atOnce, attempt: inOrder(keys => keys.toSorted()) }

type Name = 'for-ever' | 'at-once' | 'fixed' | 'random' | 'mixed' | 'ordered' | 'together'
export const ways: Readonly<Record<Name, Way<Does>>> = {
  'for-ever': {
    is: 'opposite orders, and a wait without an end',
    does: { attempt: inOrder(keys => keys, true), pauseMs: null, pair: true },
    sabotage: { ...ordered, pauseMs: null, pair: true },
  },
  'at-once': { is: 'opposite orders; a wait that ends, and again at once', does: atOnce, sabotage: ordered },
  fixed: { is: 'the same, again after 50 ms', does: { ...atOnce, pauseMs: () => 50 }, sabotage: ordered },
  random: {
    is: 'the same, again after a random wait of 0 to 1 s',
    does: { ...atOnce, pauseMs: random => 1000 * random() },
    sabotage: ordered,
  },
  mixed: { is: 'a lock of holdfast and a row lock, in opposite orders', does: mixed, sabotage: ordered },
  ordered: { is: 'both locks in the order of their keys', does: ordered, sabotage: atOnce },
  together: { is: 'acquireAll: all or none', does: together, sabotage: atOnce },
}

/** Then it gives up: where all come again at the same time there may be no end. */
const MOST = 10

/** Again and again until it has had both, or gives up. */
export async function persist(does: Does, means: Means): Promise<void> {
  const { act, signal } = means.turn
  for (let attempts = 0; attempts < MOST; attempts += 1) {
    act('asks')
    try {
      await does.attempt(means)
      act('leaves')
      act('is done')
      return
    } catch (error) {
      // Ended by the experiment.
      if (error instanceof LeaseLostError) return act('leaves')
      // On a machine that is very busy; then too the attempt has given back what it had.
      const isBusy = error instanceof StoreUnavailableError
      if (!isBusy && !(error instanceof WaitTimeoutError)) throw error
      if (!isBusy) act('timed out', { by: error.holders.map(({ holder }) => holder).join() })
      act('leaves')
      await sleep(systemClock, does.pauseMs?.(systemClock.random) ?? 0, { signal })
      signal.throwIfAborted()
    }
  }
}
