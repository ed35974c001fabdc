/** Sections under a lock or in a transaction, told act by act: asks, waits, holds, refused, leaves. */
import { text } from '../base/decode.ts'
import { LeaseLostError } from '../base/errors.ts'
import type { AcquireOptions, Lease, Locks } from '../locks/types.ts'
import type { SqlTransaction } from '../sql/transaction.ts'
import type { Telling } from './acts.ts'
import type { Connection } from './database.ts'
import type { Turn } from './declaration.ts'

export interface Section {
  readonly turn: Turn<unknown>
  readonly locks: Locks
  readonly options?: AcquireOptions
}

/** What the lanes say of them, and of whoever is killed. */
export const tellingSections: Telling = {
  waits: 'is kept waiting',
  refused: ({ fields }) => `is refused: ${text(fields, 'by')} has the lock`,
  'is killed': 'is killed (-9)',
}

/** Waits for the lock; `waits` is told once if it is taken. */
export async function underLock<Answer>(
  { turn, locks, options }: Section,
  task: (lease: Lease) => Promise<Answer>,
): Promise<Answer> {
  turn.act('asks')
  const off = locks.on('waiting', event => event.key === turn.key && turn.act('waits'))
  try {
    return await locks.run(turn.key, { signal: turn.signal, ...options }, async lease => {
      turn.act('holds', { token: lease.token, leftMs: lease.remaining() })
      return task(lease)
    })
  } finally {
    off()
    turn.act('leaves')
  }
}

/**
 * The same for tasks that may outlast their lease, and do: that it was lost is told at the end of the section, when all
 * has happened.
 */
export async function underLease(section: Section, task: (lease: Lease) => Promise<void>): Promise<void> {
  await underLock(section, task).catch((error: unknown) => {
    if (!(error instanceof LeaseLostError) || error.outcome?.status === 'rejected') throw error
  })
}

/** One attempt; who has the lock is told with `refused`, and null is the answer. */
export async function ifFree<Answer>(
  { turn, locks, options }: Section,
  task: (lease: Lease) => Promise<Answer>,
): Promise<Answer | null> {
  turn.act('asks')
  const ran = await locks.tryRun(turn.key, { ...options, signal: turn.signal }, async lease => {
    turn.act('holds', { token: lease.token })
    return task(lease)
  })
  if (!ran.ran) {
    turn.act('refused', { by: ran.holders.map(({ holder }) => holder).join(', ') })
    return null
  }
  turn.act('leaves')
  return ran.value
}

/** In a transaction that locks what it reads. */
export async function underRowLock<Answer>(
  { turn, connection }: { readonly turn: Turn<unknown>; readonly connection: Connection },
  task: (tx: SqlTransaction) => Promise<Answer>,
): Promise<Answer> {
  turn.act('asks')
  const inside = (tx: SqlTransaction): Promise<Answer> => {
    turn.act('holds')
    return task(tx)
  }
  try {
    return await connection.transaction(inside, { signal: turn.signal, waiting: () => turn.act('waits') })
  } finally {
    turn.act('leaves')
  }
}
