/**
 * The connection for statements: one of ours to an address, or one that a pool of the user's lends for good. It is made
 * anew when it has ended, and is never inside a transaction of the user's.
 *
 * Each statement is a transaction of its own. A client that is stopped in the middle of a transaction would keep its
 * row, and with it everybody else, for as long as it is stopped.
 */
import { StoreUnavailableError } from '../../base/errors.ts'
import { createConnection, endingLate, madeAnew } from '../shared/connection.ts'
import type { Connection } from '../shared/connection.ts'
import { inTurn } from '../shared/in-turn.ts'
import { mysqlAddress } from './address.ts'
import type { MysqlTls } from './address.ts'
import { borrower, dial } from './client.ts'
import type { Link, MysqlLike } from './client.ts'
import { failure, isMoved } from './failures.ts'
import { refuseOtherLayout } from './layout.ts'
import { textIn } from './record.ts'

/**
 * The session, whatever the server's defaults are. Who waits for a lock of the engine is told after a second and tries
 * again, with a clock that is read anew; no statement waits behind another for longer.
 */
const SESSION = [
  'ROLLBACK',
  `SET SESSION autocommit = 1, sql_mode = 'STRICT_TRANS_TABLES', time_zone = '+00:00', lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, sql_quote_show_create = 1`,
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE',
]
const WRITABLE = 'SELECT @@global.read_only AS read_only, @@global.innodb_read_only AS innodb_read_only'

export interface ConnectOptions {
  readonly tls?: MysqlTls
}

/** Connects at the first call. @throws ConfigurationError  neither an address nor a pool */
export function connect(client: MysqlLike | string, { tls }: ConnectOptions = {}): Connection<Link> {
  const { where, source } = sourceOf(client, tls)
  const open = (timeoutMs: number): Promise<Link> => opened(source, { where, timeoutMs, ready: refuseOtherLayout })
  const supply = madeAnew<Link>({ where, open, ready: link => link.alive, end: link => link.end() })
  const failing = {
    failure: (cause: unknown, how: { readonly sent: boolean }) => failure(cause, where, how),
    moved: isMoved,
  }
  return inTurn(createConnection(supply, failing))
}

type Source = (timeoutMs: number) => Promise<Link>

function sourceOf(
  client: MysqlLike | string,
  tls: MysqlTls | undefined,
): { readonly where: string; readonly source: Source } {
  if (typeof client !== 'string') return { where: 'the mysql2 pool that was passed', source: borrower(client) }
  const address = mysqlAddress(client, tls)
  return { where: address.shown, source: timeoutMs => dial(address, timeoutMs) }
}

/** A link with its session set up, to a server that takes writes. `ready` looks at what is in the database. */
export async function opened(
  source: Source,
  { where, timeoutMs, ready }: { where: string; timeoutMs: number; ready(link: Link, where: string): Promise<void> },
): Promise<Link> {
  const link = await source(timeoutMs)
  const prepare = async (): Promise<void> => {
    for (const statement of SESSION) await link.ask(statement)
    const [variables = {}] = (await link.ask(WRITABLE)).rows
    const refusing = Object.keys(variables).find(name => !/^(0|OFF)$/i.test(textIn(variables, name)))
    if (refusing !== undefined)
      throw new StoreUnavailableError(
        `${where} takes no writes (${refusing}): it is a replica, or set to be read only. Name the primary.`,
        { ambiguous: false },
      )
    await ready(link, where)
  }
  await endingLate(prepare, { timeoutMs, end: () => link.end() })
  return link
}
