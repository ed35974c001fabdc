/** Which store a command works on, and what becomes of a failure to reach it. */
import { namespaceOf, withoutPassword } from '../base/address.ts'
import { sleep, systemClock } from '../base/clock.ts'
import { ConfigurationError } from '../base/errors.ts'
import { passwordFile, withPasswordOfFile } from '../base/password.ts'
import { open } from '../open.ts'
import type { Locks, LocksOptions } from '../locks/types.ts'

const LONGEST_FAREWELL_MS = 1_000

export interface StoreOptions {
  readonly store?: string
  readonly namespace?: string
}

/**
 * The address that was asked for, with the password of the file: --store, else HOLDFAST_STORE; undefined: the embedded
 * file.
 */
export function addressOf(options: Pick<StoreOptions, 'store'>): string | undefined {
  const address = options.store ?? (process.env['HOLDFAST_STORE'] || undefined)
  return address === undefined ? undefined : withPasswordOfFile(address, process.env)
}

/**
 * The locks that a command works on. In arrival order over all processes: a command is one task, so there is nothing to
 * pass on.
 * @throws ConfigurationError | StoreUnavailableError
 */
export async function openStore(options: StoreOptions, locksOptions: LocksOptions = {}): Promise<Locks> {
  const address = addressOf(options)
  if (address !== undefined && /^memory:/i.test(address)) {
    throw new ConfigurationError(
      '"memory:" is the memory of one process, so it would exclude nobody. ' +
        'Leave out --store for the embedded file, or name a server.',
    )
  }
  return open(address, {
    fair: 'strict',
    ...(options.namespace !== undefined && { namespace: options.namespace }),
    ...locksOptions,
  })
}

/** What a command started under a lock is told of the store: enough to find the same locks, and no password. */
export function publicEnvironment(options: StoreOptions): NodeJS.ProcessEnv {
  const { address, namespace } = whereOf(options)
  const file = passwordFile(process.env)
  return {
    HOLDFAST_STORE: withoutPassword(address),
    HOLDFAST_NAMESPACE: namespace,
    ...(file !== undefined && { HOLDFAST_STORE_PASSWORD_FILE: file }),
  }
}

/** The store as people may see it. */
export async function describeStore(options: StoreOptions): Promise<string> {
  const { address, namespace } = whereOf(options)
  const { defaultFile } = await import('../drivers/sqlite/database.ts')
  const shown = address === 'sqlite:' ? `sqlite:${defaultFile()}` : withoutPassword(address)
  return namespace === '' ? shown : `${shown}, namespace ${namespace}`
}

/** Who says the namespace nearest to the call is meant: the option, then the address, then the environment. */
function whereOf(options: StoreOptions): { readonly address: string; readonly namespace: string } {
  const { address, namespace } = namespaceOf(addressOf(options) ?? 'sqlite:')
  return { address, namespace: options.namespace ?? namespace ?? process.env['HOLDFAST_NAMESPACE'] ?? '' }
}

/** Opens, works, and closes whatever comes of it. */
export async function withStore<T>(options: StoreOptions, task: (locks: Locks) => Promise<T>): Promise<T> {
  const locks = await openStore(options)
  try {
    return await task(locks)
  } finally {
    await closeStore(locks)
  }
}

/** A store that no longer answers must not keep the user: what was not given back becomes free by itself. */
export async function closeStore(locks: Locks): Promise<void> {
  await atMost(LONGEST_FAREWELL_MS, locks.close({ drain: 0 }))
}

/** null: it takes longer. */
export function atMost<T>(limitMs: number, promise: Promise<T>): Promise<T | null> {
  return Promise.race([promise, sleep(systemClock, limitMs, { idle: true }).then(() => null)])
}
