/**
 * What is left of a lock when the server that granted it is lost?
 *
 * Two processes add an entry each to a list in one row, under a lock: read it in a transaction, write it back with one
 * entry more in another. Whoever writes back an old list removes what was added since. Between the reading and the
 * writing of the first its store is hurt: it loses the newest grant that it had confirmed. Whether the second one gets
 * in, and whether an entry is lost, is the question. Servers and row are new for each round.
 */
import { list, number, record, text } from '../../../base/decode.ts'
import { StaleTokenError, StoreUnavailableError } from '../../../base/errors.ts'
import type { Lease, Locks } from '../../../locks/types.ts'
import { open } from '../../../open.ts'
import { fence, schema } from '../../../sql/index.ts'
import { actsOf, has } from '../../acts.ts'
import { databaseAt, databaseOf } from '../../database.ts'
import type { Connection } from '../../database.ts'
import type { Turn, Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { startNodes, startPair } from '../../faults/outages.ts'
import type { Servers } from '../../faults/outages.ts'
import { count } from '../../figures.ts'
import { NEEDS_REDIS, tryRedis } from '../../redis.ts'

interface Does {
  readonly start: () => Promise<Servers>
  /** Each transaction begins with fence(). */
  readonly fenced: boolean
}
const pair = (insync: boolean) => (): Promise<Servers> => startPair({ insync })
const nodes = (alone: boolean) => (): Promise<Servers> => startNodes({ alone })

const ways: Readonly<Record<'redis' | 'fenced' | 'redlock', Way<Does>>> = {
  redis: {
    is: 'a lock on a primary with a replica',
    does: { start: pair(false), fenced: false },
    sabotage: { start: pair(true), fenced: false },
  },
  fenced: {
    is: 'the same, and each transaction begins with fence()',
    does: { start: pair(false), fenced: true },
    sabotage: { start: pair(false), fenced: false },
  },
  redlock: {
    is: 'a lock on a majority of five independent servers',
    does: { start: nodes(false), fenced: false },
    sabotage: { start: nodes(true), fenced: false },
  },
}

type Outcome = {
  /** Both had a lease, and the first was still sure of its own when it wrote. */
  readonly twoHolders: boolean
  /** Entries whose writer was told that they are written, or that it is too late. */
  readonly confirmed: readonly string[]
  readonly refused: readonly string[]
  /** Confirmed, and not in the row. */
  readonly lost: readonly string[]
  /** With a majority of the servers down whoever asks is told so. null: there is no such thing. */
  readonly refusedWithoutMajority: boolean | null
}
const doubled = (rounds: readonly Outcome[]): number => rounds.filter(({ twoHolders }) => twoHolders).length
const losing = (rounds: readonly Outcome[]): number => rounds.filter(({ lost }) => lost.length > 0).length
const found = (rounds: readonly Outcome[]): string =>
  `two holders in ${doubled(rounds)}, a confirmed entry lost in ${losing(rounds)} of ${count(rounds.length, 'round')}`
const kept = holds<Outcome>(
  'no confirmed entry is lost',
  ({ lost, confirmed }) => lost.length === 0 && confirmed.length > 0,
  found,
)

/** Longer than a round: nobody loses a lease by time here. */
const TTL = '30s'

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

export const failover = experiment({
  name: 'failover',
  question: 'What is left of a lock when the server that granted it is lost?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  says: 'this is meant to handle situations where you could hypothetically lock the same thing twice on two connected instances of redis',
  needs: NEEDS_REDIS,
  takesS: 3,
  options: {},
  rounds: 2,
  ways,

  async setup(stage) {
    await tryRedis()
    const database = await databaseAt(null, stage.directory)
    const ledger = stage.use(await database.connect())
    await ledger.execute(schema('sqlite'), [])
    await ledger.execute('CREATE TABLE holdfast_lab_ledger (entries TEXT NOT NULL)', [])
    await ledger.execute("INSERT INTO holdfast_lab_ledger VALUES ('')", [])
    const crew = await stage.workers(['first', 'second'], { ledger: database.address })
    stage.conditions({
      workers: '2 processes; each locks, reads a list, and writes it back with one entry more',
      fault: 'after the first one has read: its store loses the grant',
      store: 'Redis: a primary with a replica, and five that know nothing of each other; started for each round',
      list: 'a row in SQLite',
    })
    return { crew, ledger }
  },

  async round({ does: { start } }, { crew: [first, second], ledger }, stage): Promise<Outcome> {
    await writeEntries(ledger, [], null)
    const servers = await start()
    try {
      servers.prepare()
      const one = first.play('add', { store: servers.before })
      await one.until('read')
      stage.act('store', 'is hurt', { fault: servers.fault })
      await servers.strike()
      const other = second.play('add', { store: servers.after })
      const early = (await other.until('read', 'refused', 'finds no store')).type === 'read'
      other.pass()
      await other.done
      one.pass()
      await one.done
      // Refused as long as the first one held: now it is the second one's turn, where there is a store to say so.
      if (!early) {
        const again = second.play('add', { store: servers.after })
        again.pass()
        await again.done
      }
      const acts = stage.acts()
      const entries = await readEntries(ledger, null)
      const did = (type: string): readonly string[] => ['first', 'second'].filter(who => has(acts, type, who))
      let refusedWithoutMajority: boolean | null = null
      if (servers.strikeMajority !== null) {
        await servers.strikeMajority()
        stage.act('store', 'is hurt', { fault: 'three of the five are down' })
        const last = first.play('add', { store: servers.after })
        last.pass()
        refusedWithoutMajority = (await last.until('finds no store', 'holds', 'refused')).type === 'finds no store'
        await last.done
      }
      return {
        twoHolders: early && actsOf(acts, 'looks', 'first')[0]?.fields['sure'] === true,
        confirmed: did('wrote'),
        refused: did('is stale'),
        lost: did('wrote').filter(entry => !entries.includes(entry)),
        refusedWithoutMajority,
      }
    } finally {
      await servers.close()
    }
  },

  danger: { opens: 'read', closes: ['wrote', 'is stale'], of: 'first', rival: 'second' },
  telling: {
    holds: ({ fields }) => `holds the lock, token ${number(fields, 'token')}`,
    refused: 'asks for the lock, and is refused: it is held',
    'finds no store': 'asks for the lock, and is told that the store is not there',
    'is hurt': ({ fields }) => text(fields, 'fault'),
    read: ({ fields }) => `reads [${list(fields, 'entries').join(', ')}]`,
    looks: ({ fields }) => `looks at its lease: ${fields['sure'] === true ? 'still' : 'no longer'} sure`,
    wrote: 'writes back what it read and one entry more, and is told that this is done',
    'is stale': ({ fields }) => `wants to write, and is REFUSED: the row has seen token ${number(fields, 'newest')}`,
  },
  columns: {
    rounds: rounds => rounds.length,
    'two holders': doubled,
    confirmed: rounds => rounds.flatMap(({ confirmed }) => confirmed).length,
    refused: rounds => rounds.flatMap(({ refused }) => refused).length,
    lost: losing,
  },
  claims: {
    redis: [shows('two holders and a lost entry', ({ twoHolders, lost }) => twoHolders && lost.length > 0, found)],
    fenced: [
      kept,
      holds<Outcome>(
        'though there are two holders, the one that lost is refused',
        ({ twoHolders, refused }) => twoHolders && refused.includes('first'),
      ),
    ],
    redlock: [
      kept,
      holds<Outcome>(
        'no two holders, and both get their turn',
        ({ twoHolders, confirmed }) => !twoHolders && confirmed.length === 2,
        found,
      ),
      holds<Outcome>(
        'without a majority nobody gets in, and is told so',
        ({ refusedWithoutMajority }) => refusedWithoutMajority === true,
      ),
    ],
  },
  lessons(of) {
    const said = (way: keyof typeof ways, amount: typeof doubled): string =>
      `${amount(of(way))} of ${count(of(way).length, 'round')}`
    return [
      `Redis answers first and copies afterwards. What a primary had confirmed and not yet copied is gone with it, a lock like anything else: two holders in ${said('redis', doubled)}. The first one was sure of its lease when it wrote, and it had no way to know better; an entry that had been confirmed was written over in ${said('redis', losing)}.`,
      `Fencing does not prevent two holders (${said('fenced', doubled)}); it makes them harmless. The successor has the greater token also from a server that has never heard of the first one, since tokens follow the clock. fence() raises the row to it before it reads, so the other is refused by the database itself: entries lost in ${said('fenced', losing)}.`,
      `A lock that a majority of independent servers must grant survives the loss of a minority with all that it knew: two holders in ${said('redlock', doubled)}. With a majority gone nobody gets in. It costs two rounds of messages instead of one; and clocks that step, or servers that forget what they had on disk, still break it: fence all the same.`,
    ]
  },

  async worker({ name, namespace, place, use }) {
    const database = await databaseOf(text(place, 'ledger'))
    const ledger = use(await database.connect())

    async function readAndWrite({ act, gate }: Turn<Does>, lease: Lease, fenced: boolean): Promise<void> {
      const by = fenced ? lease : null
      const entries = await readEntries(ledger, by)
      await gate('read', { entries })
      // A careful program looks at its lease once more, and it is of no use: nobody has told it.
      act('looks', { sure: lease.state === 'held' && lease.remaining() > 0 })
      try {
        await writeEntries(ledger, [...entries, name], by)
        act('wrote')
      } catch (error) {
        if (!(error instanceof StaleTokenError)) throw error
        act('is stale', { newest: error.newest })
      }
    }

    return {
      async add(turn) {
        const { act, key, order, way } = turn
        act('asks')
        let locks: Locks | null = null
        try {
          locks = await open(text(order, 'store'), { holder: name, namespace })
          const lease = await locks.tryAcquire(key, { ttl: TTL })
          if (lease === null) return act('refused')
          act('holds', { token: lease.token })
          await readAndWrite(turn, lease, way.fenced)
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
  },
})
