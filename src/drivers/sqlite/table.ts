/**
 * The locks of one namespace as rows: one row a lock, read, changed by a transition of the rule, and written back if it
 * changed.
 *
 * Rows are swept as the work goes on, so no timer is needed: every 64 writes look at the next 64 rows, of whatever
 * namespace, going round and round. A write makes at most one row and looks at one, so the file holds at most about
 * twice the keys of a day.
 */
import type { Clock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { LockView } from '../../store/contract.ts'
import { forgettable, leave, view } from '../../store/queue.ts'
import type { Now, Queue, Step } from '../../store/queue.ts'
import { bytes, integer, record, text } from '../../base/decode.ts'
import type { Connection } from './database.ts'
import { resultCode } from './failures.ts'
import { decodeQueue, encodeQueue, localise, NOTHING } from './record.ts'
import type { StoredQueue } from './record.ts'

const PAGE = 100
const SWEEP = 64
const DAY_MICROS = 86_400e6
/** Above every byte of UTF-8. */
const BEYOND = Buffer.from([0xff])

export interface Change<Answer> {
  readonly answer: Answer
  readonly holds: readonly number[]
  readonly revoked: Step<Answer>['revoked']
}

/** `next`: where the following page begins; null: there is none. */
export interface Page {
  readonly locks: readonly LockView[]
  readonly next: Uint8Array | null
}

export interface Table {
  /** Inside a transaction only. */
  apply<Answer>(
    connection: Connection,
    key: string,
    transition: (queue: Queue, now: Now) => Step<Answer>,
  ): Change<Answer>
  stored(connection: Connection, key: string): StoredQueue | null
  inspect(connection: Connection, key: string): LockView | null
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

  function apply<Answer>(
    connection: Connection,
    key: string,
    transition: (queue: Queue, now: Now) => Step<Answer>,
  ): Change<Answer> {
    const change = applyTo(connection, space, Buffer.from(key), transition)
    writes += 1
    if (writes % SWEEP === 0) sweep(connection)
    return change
  }

  function applyTo<Answer>(
    connection: Connection,
    space: Uint8Array,
    key: Uint8Array,
    transition: (queue: Queue, now: Now) => Step<Answer>,
  ): Change<Answer> {
    const { find, add, change, remove } = connection.statements
    const before = find.get(space, key)
    const json = before === undefined ? null : text(record(before, 'row'), 'queue')
    // Read inside the transaction, after all who changed this lock before us.
    const now = read()
    const { queue, restore } = localise(
      json === null ? NOTHING : json === latest.json ? latest.stored : parse(json, key, connection),
      domain,
      now.ms,
    )
    const { answer, holds, revoked, queue: after } = transition(queue, now)
    if (forgettable(after, now)) {
      if (json !== null) remove.run(space, key)
    } else {
      const stored = restore(after)
      const changed = encodeQueue(stored)
      latest = { json: changed, stored }
      if (json === null) add.run(space, key, after.end, changed)
      else if (changed !== json) change.run(after.end, changed, space, key)
    }
    return { answer, holds, revoked }
  }

  function sweep(connection: Connection): void {
    const rows = connection.statements.round.all(swept.namespace, swept.key, SWEEP).map(row => record(row, 'row'))
    const old = read().micros - DAY_MICROS
    for (const row of rows) {
      if (integer(row, 'token_end') < old) tidy(connection, bytes(row, 'namespace'), bytes(row, 'key'))
    }
    const last = rows.at(-1)
    swept =
      last === undefined || rows.length < SWEEP
        ? { namespace: Buffer.alloc(0), key: Buffer.alloc(0) }
        : { namespace: Buffer.from(bytes(last, 'namespace')), key: Buffer.from(bytes(last, 'key')) }
  }

  /**
   * Nobody leaves: the transition removes what has run out, and with it the row. Who comes to hold by that asks again
   * by itself.
   */
  function tidy(connection: Connection, space: Uint8Array, key: Uint8Array): void {
    try {
      applyTo(connection, space, key, (queue, now) => leave(queue, NOBODY, now))
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

  function show(key: Uint8Array, queue: StoredQueue): LockView | null {
    const now = read()
    return view(Buffer.from(key).toString(), localise(queue, domain, now.ms).queue, now)
  }

  return {
    apply,
    stored,
    inspect(connection, key) {
      const queue = stored(connection, key)
      return queue === null ? null : show(Buffer.from(key), queue)
    },
    page(connection, prefix, from) {
      const start = Buffer.from(prefix)
      const rows = connection.statements.page
        .all(space, from ?? start, Buffer.concat([start, BEYOND]), PAGE)
        .map(row => record(row, 'row'))
      const locks = rows.flatMap(
        row => show(bytes(row, 'key'), parse(text(row, 'queue'), bytes(row, 'key'), connection)) ?? [],
      )
      const last = rows.at(-1)
      return {
        locks,
        next: last === undefined || rows.length < PAGE ? null : Buffer.concat([bytes(last, 'key'), Buffer.alloc(1)]),
      }
    },
  }
}

const NOBODY = { key: '', id: '', keepMs: 0, forbidMs: 0 }

function parse(json: string, key: Uint8Array, connection: Connection): StoredQueue {
  try {
    return decodeQueue(json)
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
