/**
 * From an address to locks. The driver, and the client package behind it, is loaded only when its scheme is asked for.
 */
import { namespaceOf, withoutPassword } from './base/address.ts'
import { ConfigurationError } from './base/errors.ts'
import { withPasswordOfFile } from './base/password.ts'
import type { Locks, LocksOptions } from './locks/types.ts'
import { http } from './drivers/http/opening.ts'
import { consul } from './drivers/consul/opening.ts'
import { etcd } from './drivers/etcd/opening.ts'
import { memcached } from './drivers/memcached/opening.ts'
import { memory } from './drivers/memory/opening.ts'
import { mongodb } from './drivers/mongodb/opening.ts'
import { mysql } from './drivers/mysql/opening.ts'
import { postgres } from './drivers/postgres/opening.ts'
import { redis } from './drivers/redis/opening.ts'
import { redlock } from './drivers/redlock/opening.ts'
import type { Migration, MigrationWish, Opening } from './drivers/shared/opening.ts'
import { sqlite } from './drivers/sqlite/opening.ts'
import { zookeeper } from './drivers/zookeeper/opening.ts'
import { createLocks } from './locks/locks.ts'
import type { Store } from './store/contract.ts'

export interface OpenOptions extends LocksOptions {
  /**
   * Put before every key, so that two applications on one store do not meet. Default: `?namespace=NAME` of the address,
   * else HOLDFAST_NAMESPACE.
   */
  readonly namespace?: string
}

/** Who opens what. A driver says its schemes; none is loaded before one of them is asked for. */
const OPENINGS: readonly Opening[] = [
  memory,
  sqlite,
  redis,
  redlock,
  postgres,
  mysql,
  memcached,
  http,
  etcd,
  consul,
  mongodb,
  zookeeper,
]

/** Any key will do: it is only asked whether somebody holds it, to learn whether the store answers. */
const PROBE = 'holdfast'

/**
 * Opens a store by address and returns its locks. Without a target: HOLDFAST_STORE (with the password in the file that
 * HOLDFAST_STORE_PASSWORD_FILE names, where the address has none), else the embedded SQLite file
 * `$XDG_STATE_HOME/holdfast/locks.db` (default `~/.local/state/holdfast/locks.db`). With NODE_ENV=production and
 * neither it refuses, since one file per machine excludes nobody elsewhere; `sqlite:` asks for the embedded file by
 * name.
 *
 * Addresses: memory: sqlite:PATH redis:// rediss:// valkey:// valkeys://, each of the four with +sentinel or +cluster,
 * redlock://h1:p1,h2:p2,h3:p3 postgres:// postgresql:// mysql:// mariadb:// memcached://h1:p1,h2:p2 http://host:port
 * https:// mongodb:// mongodb+srv:// etcd:// etcds:// with h1:p1,h2:p2,h3:p3, zookeeper://h1:p1,h2:p2,h3:p3/chroot
 * consul:// consuls:// with h1:p1,h2:p2. Any of them may end in `?namespace=NAME`.
 *
 * Nothing idle that holdfast opened keeps the process alive; a pending acquire and a held lease do.
 * @throws ConfigurationError  unknown scheme; client package missing (says what to install); a wrong option
 * @throws StoreUnavailableError  the store does not answer
 * @example
 * ```ts
 * import { open } from 'holdfast'
 *
 * const locks = await open('redis://localhost:6379')
 * await locks.run('report', async lease => writeReport(lease.token))
 * await locks.close()
 * ```
 */
export async function open(target?: string | URL | Store, options: OpenOptions = {}): Promise<Locks> {
  if (typeof options !== 'object' || options === null)
    throw new ConfigurationError(`The options of open must be an object, not ${String(options)}.`)
  const { namespace, ...locksOptions } = options
  const store =
    typeof target === 'object' && !(target instanceof URL)
      ? given(target, namespace)
      : await openStore(addressOf(target), namespace)
  const locks = createLocks(store, locksOptions)
  try {
    await locks.inspect(PROBE)
    return locks
  } catch (error) {
    await locks.close({ drain: 0 })
    throw error
  }
}

function given(store: Store, namespace: string | undefined): Store {
  if (namespace !== undefined)
    throw new ConfigurationError(
      'A store that is made already has its namespace: give it to the function that makes it.',
    )
  return store
}

function addressOf(target: string | URL | undefined): string {
  const address = target === undefined ? process.env['HOLDFAST_STORE'] : String(target)
  if (address !== undefined && address !== '')
    return target === undefined ? withPasswordOfFile(address, process.env) : address
  if (target !== undefined)
    throw new ConfigurationError('The address of the store is empty. Leave it out for the embedded file.')
  if (process.env['NODE_ENV'] === 'production') {
    throw new ConfigurationError(
      'No store is named, and in production one SQLite file per machine would exclude nobody elsewhere. Set HOLDFAST_STORE, or ask for the embedded file by name with "sqlite:".',
    )
  }
  return 'sqlite:'
}

/** The store at an address, without locks over it. @throws ConfigurationError */
export async function openStore(given: string, option?: string): Promise<Store> {
  const { address, namespace } = namespaceOf(given)
  // Who says it nearest to the call is meant: the option, then the address, then the environment.
  return openingOf(address).open(address, { namespace: option ?? namespace ?? process.env['HOLDFAST_NAMESPACE'] ?? '' })
}

/**
 * What the store at an address must have before it can be opened; null: nothing. `wish` is told the store's dialect of
 * SQL.
 * @throws ConfigurationError
 */
export async function migrationOf(
  given: string,
  wish: (dialect: NonNullable<Opening['dialect']>) => MigrationWish,
): Promise<Migration | null> {
  const { address } = namespaceOf(given)
  const { migration, dialect } = openingOf(address)
  return migration === undefined || dialect === undefined ? null : migration(address, wish(dialect))
}

function openingOf(address: string): Opening {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]?.toLowerCase() ?? ''
  const opening = OPENINGS.find(({ schemes }) => schemes.includes(scheme))
  if (opening !== undefined) return opening
  const known = OPENINGS.flatMap(({ schemes }) => schemes).join(': ')
  throw new ConfigurationError(
    `"${withoutPassword(address)}" is not an address of a store: it must begin with one of ${known}:`,
  )
}
