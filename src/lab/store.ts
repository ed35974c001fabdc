/** The store of an experiment's locks: the embedded one, or the user's (--store). */
import { join } from 'node:path'
import { withoutPassword } from '../base/address.ts'
import { ConfigurationError } from '../base/errors.ts'
import type { Locks } from '../locks/types.ts'
import { open } from '../open.ts'
import type { Stage } from './declaration.ts'

export interface LabStore {
  readonly address: string
  /** Without its password, and with what it promises. */
  readonly told: string
}

/**
 * null: a file of the run's own. Reached before any worker is started.
 * @throws ConfigurationError | StoreUnavailableError
 */
export async function storeAt(
  address: string | null,
  { directory, namespace }: { readonly directory: string; readonly namespace: string },
): Promise<LabStore> {
  const store = address ?? `sqlite:${join(directory, 'locks.db')}`
  const locks = await open(store, { namespace })
  const { reach, guarantee } = locks.traits
  await locks.close({ drain: 0 })
  if (reach === 'process') throw new ConfigurationError('--store must be one that several processes share.')
  return {
    address: store,
    told: `${withoutPassword(store)}${namespace === '' ? '' : `, namespace ${namespace}`} (guarantee: ${guarantee})`,
  }
}

/** Locks of the experiment itself, to see who holds, and to end it. */
export async function onlooker(
  { namespace, use }: { readonly namespace: string; readonly use: Stage<unknown>['use'] },
  store: LabStore,
): Promise<Locks> {
  const locks = await open(store.address, { namespace, holder: 'onlooker' })
  use({ close: () => locks.close({ drain: 0 }) })
  return locks
}
