/**
 * From an address to locks. The driver, and the client package behind it, is loaded only when its scheme is asked for.
 */
import { withoutPassword } from './base/address.ts'
import { ConfigurationError } from './base/errors.ts'
import type { Locks, LocksOptions } from './core/types.ts'
import { createLocks } from './locks/locks.ts'
import type { Store } from './store/contract.ts'

export interface OpenOptions extends LocksOptions {
  /** Put before every key, so that two applications on one store do not meet. */
  readonly namespace?: string
}

type Factory = (address: string, options: { readonly namespace?: string }) => Promise<Store>

const redis: Factory = async (address, options) => (await import('./drivers/redis.ts')).redisStore(address, options)

const DRIVERS: Readonly<Record<string, Factory>> = {
  memory: async (_address, options) => (await import('./drivers/memory.ts')).memoryStore(options),
  sqlite: async (address, options) => (await import('./drivers/sqlite.ts')).sqliteStore(address, options),
  redis,
  rediss: redis,
  valkey: redis,
  valkeys: redis,
  'redis+sentinel': redis,
  'redis+cluster': redis,
  redlock: async (address, options) => (await import('./drivers/redlock.ts')).redlockStore(address, options),
}

/** Any key will do: it is only asked whether somebody holds it, to learn whether the store answers. */
const PROBE = 'holdfast'

/**
 * Opens a store by address and returns its locks. Without a target: HOLDFAST_STORE, else the embedded SQLite file
 * `$XDG_STATE_HOME/holdfast/locks.db` (default `~/.local/state/holdfast/locks.db`). With NODE_ENV=production and
 * neither it refuses, since one file per machine excludes nobody elsewhere; `sqlite:` asks for the embedded file by
 * name.
 *
 * Addresses: memory: sqlite:PATH redis:// rediss:// valkey:// redis+sentinel:// redis+cluster://
 * redlock://h1:p1,h2:p2,h3:p3
 *
 * Nothing idle that holdfast opened keeps the process alive; a pending acquire and a held lease do.
 * @throws ConfigurationError  unknown scheme; client package missing (says what to install); a wrong option
 * @throws StoreUnavailableError  the store does not answer
 */
export async function open(target?: string | URL | Store, options: OpenOptions = {}): Promise<Locks> {
  const { namespace, ...locksOptions } = options
  const store =
    typeof target === 'object' && !(target instanceof URL)
      ? given(target, namespace)
      : await storeAt(addressOf(target), namespace)
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
  if (address !== undefined && address !== '') return address
  if (target !== undefined)
    throw new ConfigurationError('The address of the store is empty. Leave it out for the embedded file.')
  if (process.env['NODE_ENV'] === 'production') {
    throw new ConfigurationError(
      'No store is named, and in production one SQLite file per machine would exclude nobody elsewhere. Set HOLDFAST_STORE, or ask for the embedded file by name with "sqlite:".',
    )
  }
  return 'sqlite:'
}

async function storeAt(address: string, namespace: string | undefined): Promise<Store> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]?.toLowerCase()
  const factory = scheme === undefined || !Object.hasOwn(DRIVERS, scheme) ? undefined : DRIVERS[scheme]
  if (factory === undefined) {
    const known = Object.keys(DRIVERS).join(': ')
    throw new ConfigurationError(
      `"${withoutPassword(address)}" is not an address of a store: it must begin with one of ${known}:`,
    )
  }
  return factory(address, namespace === undefined ? {} : { namespace })
}
