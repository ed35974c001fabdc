/** The package `pg`: one of its clients, opened for us, lent by a pool, or made after one of the user's. */
import { endingLate } from '../../shared/connection.ts'
import { can, construct, defined, made } from '../../shared/package.ts'
import type { PostgresAddress } from '../address.ts'
import type { Ears, Wire } from '../link.ts'

/** The part of a `Pool` or a `Client` of `pg` that this driver needs. */
export interface PgLike {
  connect(): Promise<unknown>
  query(...words: never[]): unknown
}

interface Client {
  readonly processID?: number | null
  readonly connection?: { readonly stream?: { unref(): void; destroy(): void } }
  query(query: object): Promise<{ readonly rows: readonly (readonly unknown[])[] }>
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}
interface OwnClient extends Client {
  connect(): Promise<unknown>
}
interface Lent extends Client {
  release(destroy: boolean): void
}

export interface Dialing {
  readonly ears: Ears
  readonly timeoutMs: number
}

const SETTINGS = ['host', 'port', 'user', 'database', 'password', 'ssl']
/** Whatever its type: each of our answers is one text. */
const AS_TEXT = { getTypeParser: () => String }

export async function dialPg(
  module: object,
  address: PostgresAddress & { readonly host: string; readonly port: number },
  dialing: Dialing,
): Promise<Wire> {
  const { host, port, user, password, database, tls, applicationName } = address
  const library = 'Client' in module ? module : made(module, 'default')
  // Named for the check of the certificate: without a name in it Node compares with localhost.
  const ssl = tls && { host, ...tls }
  const settings = defined({ host, port, user, password, database, ssl, application_name: applicationName })
  return connected(construct(library, 'Client', { ...settings, keepAlive: true }), dialing)
}

/** A connection of the pool that stays lent for as long as the store is used. */
export async function lendOfPool(pool: PgLike, { ears, timeoutMs }: Dialing): Promise<Wire> {
  let late = false
  const lending = pool.connect()
  const lent = await endingLate(() => lending, { timeoutMs, end: () => (late = true) })
  if (!isLent(lent)) throw new TypeError('the pool lent no client')
  if (late) {
    lent.release(false)
    throw new Error('the pool had no connection to lend in time; give it one more')
  }
  // The pool keeps the process alive for those who work with it, and this one is idle.
  lent.connection?.stream?.unref()
  return wireOf(lent, ears, () => lent.release(true))
}

/** A client of the user's is for the user's own transactions: another one is made with its settings. */
export async function dialLike(client: object, dialing: Dialing): Promise<Wire> {
  const settings = Object.fromEntries(SETTINGS.map(name => [name, Reflect.get(client, name)]))
  const like = construct({ Client: client.constructor }, 'Client', { ...settings, keepAlive: true })
  return connected(like, dialing)
}

async function connected(client: object, { ears, timeoutMs }: Dialing): Promise<Wire> {
  if (!isOwn(client)) throw new TypeError('the package made no client')
  const stream = (): { unref(): void; destroy(): void } | undefined => client.connection?.stream
  const end = (): void => stream()?.destroy()
  const wire = wireOf(client, ears, end)
  stream()?.unref()
  await endingLate(() => client.connect(), { timeoutMs, end })
  stream()?.unref()
  return wire
}

function wireOf(client: Client, ears: Ears, close: () => void): Wire {
  const notified = (message: unknown): void => {
    if (typeof message !== 'object' || message === null || !('channel' in message) || !('payload' in message)) return
    ears.notified(String(message.channel), String(message.payload))
  }
  client.on('notification', notified)
  client.on('error', ears.ended)
  client.on('end', ears.ended)
  return {
    get pid() {
      return client.processID ?? 0
    },
    async send({ text, values, name }, { prepared }) {
      const query = { text, values, types: AS_TEXT, rowMode: 'array' }
      const { rows } = await client.query(prepared && name !== undefined ? { ...query, name } : query)
      return rows.flatMap(([first]) => (typeof first === 'string' ? first : []))
    },
    script: async text => void (await client.query({ text })),
    close() {
      client.off('notification', notified)
      close()
    },
  }
}

export function isPool(client: object): client is PgLike {
  return 'totalCount' in client && can(client, 'connect', 'query')
}

export function isClient(client: object): client is PgLike {
  return 'connectionParameters' in client && can(client, 'connect', 'query')
}

function isOwn(client: object): client is OwnClient {
  return can(client, 'connect', 'query', 'on', 'off')
}

function isLent(client: unknown): client is Lent {
  return typeof client === 'object' && client !== null && can(client, 'query', 'on', 'off', 'release')
}
