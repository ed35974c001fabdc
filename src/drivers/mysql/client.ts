/**
 * mysql2, told by its shape: a pool of the user's that lends a connection, or a connection of ours to an address.
 *
 * Every statement is sent whole, its values as literals of numbers and bytes (statements.ts), and every value of an
 * answer comes as bytes: so no option of the user's, of time zones, big numbers, casts or formats, has a part in it.
 */
import { systemClock } from '../../base/clock.ts'
import { record, integer } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { ConfigurationError } from '../../base/errors.ts'
import { can, defined, installed, made } from '../shared/package.ts'
import type { MysqlAddress } from './address.ts'

/** The part of a pool of `mysql2` that this driver needs; one of `mysql2/promise` has such a one inside. */
export type MysqlLike = CallbackPool | { readonly pool: CallbackPool }

export interface CallbackPool {
  getConnection(callback: (cause: unknown, connection: object) => void): void
}

interface MysqlConnection {
  query(options: object, callback: (cause: unknown, result?: unknown) => void): unknown
  on(event: string, listener: (...args: unknown[]) => void): unknown
  destroy(): void
}

export interface Reply {
  /** Each value as bytes; null for NULL. Empty for a statement that gives no rows. */
  readonly rows: readonly Fields[]
  /** Rows that it matched or changed. */
  readonly affected: number
  /** What LAST_INSERT_ID(...) was given. */
  readonly insertId: number
}

export interface Link {
  /** False: it has ended. */
  readonly alive: boolean
  ask(statement: string): Promise<Reply>
  end(): void
}

/** A connection of ours, being made: what it is asked waits for that, and fails with it. @throws ConfigurationError */
export async function dial(address: MysqlAddress, timeoutMs: number): Promise<Link> {
  const { module } = await installed({ names: ['mysql2'], where: address.shown })
  const { host, port, socket, user, password, database, tls } = address
  const place = socket === undefined ? { host, port } : { socketPath: socket }
  const login = defined({ user, password, database, ssl: tls })
  const connection = made(module, 'createConnection', { ...place, ...login, connectTimeout: Math.ceil(timeoutMs) })
  if (!isConnection(connection)) throw new TypeError('the package made no connection')
  const link = linkTo(connection)
  // Nothing idle keeps the process alive. With TLS the socket is another one once it is connected.
  connection.on('connect', () => socketOf(connection)?.unref())
  return link
}

/**
 * A connection that the pool lends for good: its session is set up for holdfast, so it does not go back.
 * @throws ConfigurationError  not a pool of mysql2
 */
export function borrower(client: MysqlLike): (timeoutMs: number) => Promise<Link> {
  const pool = poolOf(client)
  return timeoutMs =>
    new Promise((resolve, reject) => {
      let late = false
      const timer = systemClock.after(timeoutMs, () => {
        late = true
        reject(new Error(`the pool lent no connection within ${Math.round(timeoutMs)} ms`))
      })
      pool.getConnection((cause, connection) => {
        timer.cancel()
        if (cause) return reject(cause)
        if (!isConnection(connection)) return reject(new TypeError('the pool lent no connection of mysql2'))
        const link = linkTo(connection)
        if (late) link.end()
        else resolve(link)
      })
    })
}

function poolOf(client: object): CallbackPool {
  if (isObject(client)) {
    const inner: unknown = Reflect.get(client, 'pool')
    // A connection has `execute` and `query` too, and may be in the middle of a transaction of the user's.
    if (isObject(inner) && isPool(inner)) return inner
    if (isPool(client)) return client
  }
  throw new ConfigurationError(
    'This is no pool of mysql2. Pass createPool(...) of mysql2 or of mysql2/promise, which lends a connection for good ' +
      '(not a single connection, which may be inside a transaction of yours), or an address such as mysql://user@host/database.',
  )
}

function linkTo(connection: MysqlConnection): Link {
  const asked = new Set<(cause: unknown) => void>()
  let alive = true
  const over = (): void => void (alive = false)
  connection.on('error', over)
  connection.on('end', over)
  return {
    get alive() {
      return alive
    },
    ask: statement =>
      new Promise((resolve, reject) => {
        asked.add(reject)
        connection.query({ sql: statement, ...AS_BYTES }, (cause, result) => {
          asked.delete(reject)
          if (!cause) return resolve(replyOf(result))
          if (isObject(cause) && Reflect.get(cause, 'fatal') === true) alive = false
          reject(cause)
        })
      }),
    end() {
      alive = false
      connection.destroy()
      // A server that is stopped would not end its half, and the client tells nobody of what it will never answer.
      socketOf(connection)?.destroy()
      for (const reject of asked) reject(new Error('the connection was ended'))
      asked.clear()
    },
  }
}

/** Whatever the pool was told. */
const AS_BYTES = { typeCast: false, rowsAsArray: false, nestTables: false }

function replyOf(result: unknown): Reply {
  if (Array.isArray(result)) return { rows: result.map(row => record(row, 'a row')), affected: 0, insertId: 0 }
  const header = record(result, 'the answer')
  const count = (name: string): number => integer({ [name]: Number(header[name]) }, name)
  return { rows: [], affected: count('affectedRows'), insertId: count('insertId') }
}

function socketOf(connection: object): { unref(): void; destroy(): void } | undefined {
  const stream: unknown = Reflect.get(connection, 'stream')
  return isObject(stream) && isSocket(stream) ? stream : undefined
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isPool(client: object): client is CallbackPool {
  return can(client, 'getConnection', 'query', 'end') && !can(client, 'beginTransaction')
}

function isConnection(client: object): client is MysqlConnection {
  return can(client, 'query', 'on', 'destroy')
}

function isSocket(stream: object): stream is { unref(): void; destroy(): void } {
  return can(stream, 'unref', 'destroy')
}
