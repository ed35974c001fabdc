/**
 * The locks of one namespace as rows: one row a lock, read, changed by a transition of the rule, and written back if it
 * changed.
 *
 * Rows are swept as the work goes on, so no timer is needed: every 64 writes look at the next 64 rows, of whatever
 * namespace, going round and round. A write makes at most one row and looks at one, so the file holds at most about
 * twice the keys of a day.
 */
import type { Clock } from '../../base/clock.ts'
import { bytes, integer, record, text } from '../../base/decode.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import { forgettable } from '../../store/queue.ts'
import type { Now, Queue } from '../../store/queue.ts'
import type { Change, LockRecord, Outcome } from '../../store/record-store.ts'
import type { Connection } from './database.ts'
import { resultCode } from './failures.ts'
import { decodeStored, encodeStored, localise, NOTHING } from './record.ts'
import type { StoredQueue } from './record.ts'

const PAGE = 100
const SWEEP = 64
const DAY_MICROS = 86_400e6
/** Above every byte of UTF-8. */
const BEYOND = Buffer.from([0xff])

interface Row {
  readonly space: Uint8Array
  readonly key: Uint8Array
}

/** `next`: where the following page begins; null: there is none. */
export interface Page {
  readonly locks: readonly LockRecord[]
  readonly next: Uint8Array | null
}

export interface Table {
  /** Inside a transaction only. */
  apply<Answer>(connection: Connection, key: string, change: Change<Answer>): Outcome<Answer>
  /** In the time of whoever wrote it last: its order is right, its times may not be. */
  queue(connection: Connection, key: string): Queue | null
  read(connection: Connection, key: string): Omit<LockRecord, 'key'> | null
  /** In the order of the keys' bytes. */
  page(connection: Connection, prefix: string, from: Uint8Array | null): Page
}

export function createTable(namespace: string, domain: string, clock: Clock): Table {
  const space = Buffer.from(namespace)
  /**
   * What was written last need not be parsed if it is still there. Known by its content, so it is never out of date.
   */
  let latest: { readonly json: string; readonly stored: StoredQueue } = { json: '', stored: NOTHING }
  let writes = 0
  let swept = { namespace: Buffer.alloc(0), key: Buffer.alloc(0) }

  function read(): Now {
    return { ms: clock.now(), micros: Math.floor(clock.wall() * 1_000) }
  }

  function apply<Answer>(connection: Connection, key: string, change: Change<Answer>): Outcome<Answer> {
    const outcome = applyTo(connection, { space, key: Buffer.from(key) }, change)
    writes += 1
    if (writes % SWEEP === 0) sweep(connection)
    return outcome
  }

  function applyTo<Answer>(connection: Connection, { space, key }: Row, change: Change<Answer>): Outcome<Answer> {
    const { find, add, change: overwrite, remove } = connection.statements
    const row = find.get(space, key)
    const json = row === undefined ? null : text(record(row, 'row'), 'queue')
    // Read inside the transaction, after all who changed this lock before us.
    const now = read()
    const stored = json === null ? NOTHING : json === latest.json ? latest.stored : parse(json, key, connection)
    const { queue: before, foreign, restore } = localise(stored, domain, now.ms)
    const outcome = change(json === null ? null : before, now)
    if (outcome.queue === null) {
      if (json !== null) remove.run(space, key)
    } else if (outcome.changed || foreign) {
      const kept = restore(outcome.queue)
      const changed = encodeStored(kept)
      latest = { json: changed, stored: kept }
      if (json === null) add.run(space, key, kept.queue.end, changed)
      else if (changed !== json) overwrite.run(kept.queue.end, changed, space, key)
    }
    return outcome
  }

  function sweep(connection: Connection): void {
    const rows = connection.statements.round.all(swept.namespace, swept.key, SWEEP).map(row => record(row, 'row'))
    const old = read().micros - DAY_MICROS
    for (const row of rows) {
      if (integer(row, 'token_end') < old) tidy(connection, { space: bytes(row, 'namespace'), key: bytes(row, 'key') })
    }
    const last = rows.at(-1)
    swept =
      last === undefined || rows.length < SWEEP
        ? { namespace: Buffer.alloc(0), key: Buffer.alloc(0) }
        : { namespace: Buffer.from(bytes(last, 'namespace')), key: Buffer.from(bytes(last, 'key')) }
  }

  /** Somebody may still be in it, by another domain's clock. */
  function tidy(connection: Connection, row: Row): void {
    try {
      applyTo(connection, row, (before, now) => {
        const queue = before === null || forgettable(before, now) ? null : before
        return { queue, changed: queue === null, answer: null, news: { holds: [], revoked: [] } }
      })
    } catch (error) {
      // A record that cannot be read concerns those who ask for it, not whoever happens to sweep.
      if (resultCode(error) !== null) throw error
    }
  }

  function stored(connection: Connection, key: string): StoredQueue | null {
    const name = Buffer.from(key)
    const row = connection.statements.find.get(space, name)
    return row === undefined ? null : parse(text(record(row, 'row'), 'queue'), name, connection)
  }

  function local(queue: StoredQueue): Omit<LockRecord, 'key'> {
    const now = read()
    return { queue: localise(queue, domain, now.ms).queue, now }
  }

  return {
    apply,
    queue: (connection, key) => stored(connection, key)?.queue ?? null,
    read(connection, key) {
      const queue = stored(connection, key)
      return queue === null ? null : local(queue)
    },
    page(connection, prefix, from) {
      const start = Buffer.from(prefix)
      const rows = connection.statements.page
        .all(space, from ?? start, Buffer.concat([start, BEYOND]), PAGE)
        .map(row => record(row, 'row'))
      const locks = rows.map(row => ({
        key: Buffer.from(bytes(row, 'key')).toString(),
        ...local(parse(text(row, 'queue'), bytes(row, 'key'), connection)),
      }))
      const last = rows.at(-1)
      return {
        locks,
        next: last === undefined || rows.length < PAGE ? null : Buffer.concat([bytes(last, 'key'), Buffer.alloc(1)]),
      }
    },
  }
}

function parse(json: string, key: Uint8Array, connection: Connection): StoredQueue {
  try {
    return decodeStored(json)
  } catch (cause) {
    const name = Buffer.from(key).toString()
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StoreUnavailableError(
      `The record of "${name}" in "${connection.file}" cannot be read: ${reason}. Upgrade holdfast, or delete that row of holdfast_locks once nobody holds the lock.`,
      {
        key: name,
        cause,
        ambiguous: false,
      },
    )
  }
}
