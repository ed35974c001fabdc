/**
 * Two processes add an entry each to a list in one row, under a lock: read it in a transaction, write it back with one
 * entry more in another. Whoever writes back an old list removes what was added since. Between the reading and the
 * writing of the first its store is hurt; whether the second one gets in, and whether an entry is lost, is the question
 * of each experiment that hurts a store.
 */
import { list, number, record, text } from '../base/decode.ts'
import { StaleTokenError, StoreUnavailableError } from '../base/errors.ts'
import type { Lease, Locks } from '../locks/types.ts'
import { open } from '../open.ts'
import { fence, schema } from '../sql/index.ts'
import { actsOf, has } from './acts.ts'
import type { Telling } from './acts.ts'
import { databaseAt, databaseOf } from './database.ts'
import type { Connection } from './database.ts'
import type { Parts, Site, Stage, Turn, Worker } from './declaration.ts'
import type { Danger } from './exposure.ts'
import { holds } from './experiment.ts'
import { count } from './figures.ts'

/** Each transaction begins with fence(), or none does. */
export interface Fenced {
  readonly fenced: boolean
}

export type Added = {
  /** Both had a lease, and the first was still sure of its own when it wrote. */
  readonly twoHolders: boolean
  /** Entries whose writer was told that they are written, or that it is too late. */
  readonly confirmed: readonly string[]
  readonly refused: readonly string[]
  /** Confirmed, and not in the row. */
  readonly lost: readonly string[]
}

/** A store that can be hurt. */
export interface Fragile {
  /** Where one locks before the fault, and after it. */
  readonly before: string
  readonly after: string
  /** What the fault is, for people. */
  readonly fault: string
  strike(): Promise<void>
}

export interface Ledger {
  readonly connection: Connection
  readonly crew: readonly [first: Worker, second: Worker]
}

/** For the conditions of the run. */
export const TOLD = {
  workers: '2 processes; each locks, reads a list, and writes it back with one entry more',
  list: 'a row in SQLite',
} as const

export async function startLedger(stage: Stage<unknown>): Promise<Ledger> {
  const database = await databaseAt(null, stage.directory)
  const connection = stage.use(await database.connect())
  await connection.execute(schema('sqlite'), [])
  await connection.execute('CREATE TABLE holdfast_lab_ledger (entries TEXT NOT NULL)', [])
  await connection.execute("INSERT INTO holdfast_lab_ledger VALUES ('')", [])
  return { connection, crew: await stage.workers(['first', 'second'], { ledger: database.address }) }
}

/** The order of a round: the store is hurt when the first has read, and then the second one asks. */
export async function addBoth(
  { connection, crew: [first, second] }: Ledger,
  { store, stage }: { readonly store: Fragile; readonly stage: Stage<unknown> },
): Promise<Added> {
  await writeEntries(connection, [], null)
  const one = first.play('add', { store: store.before })
  await one.until('read')
  stage.act('store', 'is hurt', { fault: store.fault })
  await store.strike()
  const other = second.play('add', { store: store.after })
  const early = (await other.until('read', 'refused', 'finds no store')).type === 'read'
  other.pass()
  await other.done
  one.pass()
  await one.done
  // Refused as long as the first one held: now it is the second one's turn, where there is a store to say so.
  if (!early) {
    const again = second.play('add', { store: store.after })
    again.pass()
    await again.done
  }
  const acts = stage.acts()
  const entries = await readEntries(connection, null)
  const did = (type: string): readonly string[] => ['first', 'second'].filter(who => has(acts, type, who))
  return {
    twoHolders: early && actsOf(acts, 'looks', 'first')[0]?.fields['sure'] === true,
    confirmed: did('wrote'),
    refused: did('is stale'),
    lost: did('wrote').filter(entry => !entries.includes(entry)),
  }
}

export const danger: Danger = { opens: 'read', closes: ['wrote', 'is stale'], of: 'first', rival: 'second' }

export const telling: Telling = {
  holds: ({ fields }) => `holds the lock, token ${number(fields, 'token')}`,
  refused: 'asks for the lock, and is refused: it is held',
  'finds no store': 'asks for the lock, and is told that the store is not there',
  'is hurt': ({ fields }) => text(fields, 'fault'),
  read: ({ fields }) => `reads [${list(fields, 'entries').join(', ')}]`,
  looks: ({ fields }) => `looks at its lease: ${fields['sure'] === true ? 'still' : 'no longer'} sure`,
  wrote: 'writes back what it read and one entry more, and is told that this is done',
  'is stale': ({ fields }) => `wants to write, and is REFUSED: the row has seen token ${number(fields, 'newest')}`,
}

export const doubled = (rounds: readonly Added[]): number => rounds.filter(({ twoHolders }) => twoHolders).length
export const losing = (rounds: readonly Added[]): number => rounds.filter(({ lost }) => lost.length > 0).length
export const found = (rounds: readonly Added[]): string =>
  `two holders in ${doubled(rounds)}, a confirmed entry lost in ${losing(rounds)} of ${count(rounds.length, 'round')}`

export const columns = {
  rounds: (rounds: readonly Added[]): number => rounds.length,
  'two holders': doubled,
  confirmed: (rounds: readonly Added[]): number => rounds.flatMap(({ confirmed }) => confirmed).length,
  refused: (rounds: readonly Added[]): number => rounds.flatMap(({ refused }) => refused).length,
  lost: losing,
} as const

export const losesOne = ({ twoHolders, lost }: Added): boolean => twoHolders && lost.length > 0
export const keepsAll = holds<Added>(
  'no confirmed entry is lost',
  ({ lost, confirmed }) => lost.length === 0 && confirmed.length > 0,
  found,
)
export const refusesTheFirst = holds<Added>(
  'though there are two holders, the one that lost is refused',
  ({ twoHolders, refused }) => twoHolders && refused.includes('first'),
)
export const inTurn = holds<Added>(
  'no two holders, and both get their turn',
  ({ twoHolders, confirmed }) => !twoHolders && confirmed.length === 2,
  found,
)

/** Longer than a round, so that nobody loses a lease by time; and as long as a redlock grants at most. */
const TTL = '60s'

async function readEntries(connection: Connection, lease: Lease | null): Promise<readonly string[]> {
  return connection.transaction(async tx => {
    if (lease !== null) await fence(tx, lease)
    const [row] = await tx.rows('SELECT entries FROM holdfast_lab_ledger', [])
    return text(record(row, 'The list'), 'entries').split(',').filter(Boolean)
  })
}

async function writeEntries(connection: Connection, entries: readonly string[], lease: Lease | null): Promise<void> {
  await connection.transaction(async tx => {
    if (lease !== null) await fence(tx, lease)
    await tx.execute('UPDATE holdfast_lab_ledger SET entries = ?', [entries.join(',')])
  })
}

/** In a worker. */
export async function addingTo<Does extends Fenced>({
  name,
  namespace,
  place,
  use,
}: Site<unknown>): Promise<Parts<Does>> {
  const database = await databaseOf(text(place, 'ledger'))
  const connection = use(await database.connect())

  async function readAndWrite({ act, gate, way }: Turn<Does>, lease: Lease): Promise<void> {
    const by = way.fenced ? lease : null
    const entries = await readEntries(connection, by)
    await gate('read', { entries })
    // A careful program looks at its lease once more, and it is of no use: nobody has told it.
    act('looks', { sure: lease.state === 'held' && lease.remaining() > 0 })
    try {
      await writeEntries(connection, [...entries, name], by)
      act('wrote')
    } catch (error) {
      if (!(error instanceof StaleTokenError)) throw error
      act('is stale', { newest: error.newest })
    }
  }

  return {
    async add(turn) {
      const { act, key, order } = turn
      act('asks')
      let locks: Locks | null = null
      try {
        locks = await open(text(order, 'store'), { holder: name, namespace })
        const lease = await locks.tryAcquire(order['free'] === true ? `${key}:free` : key, { ttl: TTL })
        if (lease === null) return act('refused')
        act('holds', { token: lease.token })
        await readAndWrite(turn, lease)
        await lease.release()
        act('leaves')
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error
        act('finds no store')
      } finally {
        await locks?.close({ drain: 0 })
      }
    },
  }
}
