/** The package `postgres` (postgres.js): one connection of an instance of ours, which is given up when it ends. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { endingLate } from '../../shared/connection.ts'
import { can, defined, method } from '../../shared/package.ts'
import type { PostgresAddress } from '../address.ts'
import type { Wire } from '../link.ts'
import type { Dialing } from './pg.ts'

/** The part of postgres.js' `sql` that this driver needs. */
export interface PostgresJsLike {
  unsafe(query: string, values?: never[], options?: object): unknown
  readonly options: object
}

interface Rows extends PromiseLike<readonly (readonly unknown[])[]> {
  values(): PromiseLike<readonly (readonly unknown[])[] & { readonly state?: { readonly pid?: number } }>
}
interface Sql {
  unsafe(query: string, values: readonly unknown[], options: object): Rows
  end(options: object): Promise<void>
}

/** Where a server listens: a host, or a path of the file system. */
interface Place {
  readonly host?: string
  readonly port?: number
  readonly path?: string
}

export function dialPostgresJs(
  module: object,
  address: PostgresAddress & { readonly host: string; readonly port: number },
  dialing: Dialing,
): Promise<Wire> {
  const { host, port, user, password, database, tls, applicationName } = address
  const settings = defined({ host, port, user, password, database, ssl: tls && { host, ...tls } })
  return connected(module, { ...settings, connection: { application_name: applicationName } }, dialing)
}

/** The user's instance has connections of its own: one more is made with its settings. */
export function dialLikeSql(module: object, sql: PostgresJsLike, dialing: Dialing): Promise<Wire> {
  return connected(module, sql.options, dialing)
}

async function connected(module: object, settings: object, { ears, timeoutMs }: Dialing): Promise<Wire> {
  let socket: Socket | undefined
  const own: unknown = Reflect.get(settings, 'socket')
  const open = async (place: Place): Promise<Socket> => {
    const made: unknown = typeof own === 'function' ? await Reflect.apply(own, undefined, [place]) : dial(place)
    if (!isSocket(made)) throw new TypeError('the option socket of postgres made no socket')
    socket = made.unref()
    return made
  }
  const options = {
    ...settings,
    ...{ max: 1, fetch_types: false, prepare: false, idle_timeout: null, max_lifetime: null, connect_timeout: null },
    socket: open,
    onnotify: ears.notified,
    onclose: ears.ended,
    onnotice: ignore,
    // It would put the values into its errors, and with them the id, which nobody else may know.
    debug: false,
  }
  const sql = method(module, 'default', options)
  if (!isSql(sql)) throw new TypeError('the package made no client')
  // Under TLS it still writes its farewell to the socket, and nobody would catch that this fails.
  const plain = !Reflect.get(settings, 'ssl')
  const close = (): void => {
    sql.end({ timeout: 0 }).catch(ignore)
    if (plain) socket?.destroy()
  }
  const hello = async (): Promise<number> => (await sql.unsafe('SELECT 1', [], {}).values()).state?.pid ?? 0
  const pid = await endingLate(hello, { timeoutMs, end: close })
  return {
    pid,
    async send({ text, values }, { prepared }) {
      const rows = await sql.unsafe(text, values, { prepare: prepared }).values()
      return rows.flatMap(([first]) => (typeof first === 'string' ? first : []))
    },
    script: async text => void (await sql.unsafe(text, [], {})),
    close,
  }
}

/** postgres.js offers no way to let the process end beside an open connection but to make its socket. */
function dial({ host, port, path }: Place): Socket {
  if (typeof path === 'string') return connect(path)
  const [name, number] = [first(host), Number(first(port))]
  return Object.assign(connect({ host: String(name), port: number, noDelay: true }), { host: name, port: number })
}

/** Its settings have lists of hosts and ports. */
function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value
}

export function isPostgresJs(client: object): client is PostgresJsLike {
  return 'options' in client && typeof client.options === 'object' && can(client, 'unsafe', 'reserve', 'listen')
}

function isSql(sql: unknown): sql is Sql {
  return typeof sql === 'function' && can(sql, 'unsafe', 'end')
}

function isSocket(made: unknown): made is Socket {
  return typeof made === 'object' && made !== null && can(made, 'unref', 'destroy')
}

function ignore(): void {}
