/**
 * Where most experiments take place: a store for the locks and a database for what they protect, each the embedded one
 * unless --store or --db moves it.
 */
import { withoutPassword } from '../base/address.ts'
import { text } from '../base/decode.ts'
import { ConfigurationError } from '../base/errors.ts'
import type { Locks } from '../locks/types.ts'
import { databaseAt, databaseOf } from './database.ts'
import type { Connection, Database } from './database.ts'
import type { OpenAs, Site, Stage } from './declaration.ts'
import { optional, storeOption } from './options.ts'
import type { SettingsOf } from './options.ts'
import { storeAt } from './store.ts'
import type { LabStore } from './store.ts'
import type { Message } from './wire.ts'

/** The options --store and --db. */
export const places = {
  store: storeOption('store of the lock (default: a SQLite file of its own)'),
  db: optional('url', 'database (default: a SQLite file of its own)'),
}

export interface Places {
  readonly store: LabStore
  readonly database: Database
  /** Of the experiment itself: to prepare and to judge. */
  readonly connection: Connection
  /** What a worker must know of them. */
  readonly place: Message
  /** For the conditions of the run. */
  readonly told: { readonly lock: string; readonly database: string; readonly 'row lock': string }
}

/**
 * In `setup`. `servers`: what the ways do holds or breaks on a database server as it does on SQLite.
 * @throws ConfigurationError | StoreUnavailableError
 */
export async function findPlaces(
  stage: Stage<SettingsOf<typeof places>>,
  { servers = false }: { readonly servers?: boolean } = {},
): Promise<Places> {
  const database = await databaseAt(stage.settings.db, stage.directory)
  if (!servers && database.dialect !== 'sqlite')
    throw new ConfigurationError(
      `--db: "${withoutPassword(database.address)}" is a server; this experiment works on SQLite: name a file, or sqlite:PATH.`,
    )
  const store = await storeAt(stage.settings.store, stage)
  const connection = stage.use(await database.connect())
  return {
    store,
    database,
    connection,
    place: { store: store.address, db: database.address },
    told: { lock: store.told, database: withoutPassword(database.address), 'row lock': database.rowLock },
  }
}

export interface Reached {
  readonly locks: Locks
  readonly database: Database
  readonly connection: Connection
}

/** In a worker. */
export async function reachPlaces({ place, locks: open, use }: Site<unknown>, options: OpenAs = {}): Promise<Reached> {
  const locks = await open(text(place, 'store'), options)
  const database = await databaseOf(text(place, 'db'))
  return { locks, database, connection: use(await database.connect()) }
}
