/**
 * What is left of a lock when the server that granted it is lost?
 *
 * Two processes add an entry each to a list in one row (ledger.ts). When the first has read, its store is hurt: it
 * loses the newest grant that it had confirmed. Servers are new for each round.
 */
import type { Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { startNodes, startPair } from '../../faults/outages.ts'
import type { Servers } from '../../faults/outages.ts'
import { count } from '../../figures.ts'
import {
  addBoth,
  addingTo,
  columns,
  danger,
  doubled,
  found,
  inTurn,
  keepsAll,
  losesOne,
  losing,
  refusesTheFirst,
  startLedger,
  telling,
  TOLD,
} from '../../ledger.ts'
import type { Added, Fenced } from '../../ledger.ts'
import { NEEDS_REDIS, tryRedis } from '../../redis.ts'

interface Does extends Fenced {
  readonly start: () => Promise<Servers>
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

type Outcome = Added & {
  /** With a majority of the servers down whoever asks is told so. null: there is no such thing. */
  readonly refusedWithoutMajority: boolean | null
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
    const ledger = await startLedger(stage)
    stage.conditions({
      ...TOLD,
      fault: 'after the first one has read: its store loses the grant',
      store: 'Redis: a primary with a replica, and five that know nothing of each other; started for each round',
    })
    return ledger
  },

  async round({ does: { start } }, ledger, stage): Promise<Outcome> {
    const servers = await start()
    try {
      servers.prepare()
      const added = await addBoth(ledger, { store: servers, stage })
      let refusedWithoutMajority: boolean | null = null
      if (servers.strikeMajority !== null) {
        await servers.strikeMajority()
        stage.act('store', 'is hurt', { fault: 'three of the five are down' })
        const last = ledger.crew[0].play('add', { store: servers.after })
        last.pass()
        refusedWithoutMajority = (await last.until('finds no store', 'holds', 'refused')).type === 'finds no store'
        await last.done
      }
      return { ...added, refusedWithoutMajority }
    } finally {
      await servers.close()
    }
  },

  danger,
  telling,
  columns,
  claims: {
    redis: [shows('two holders and a lost entry', losesOne, found)],
    fenced: [keepsAll, refusesTheFirst],
    redlock: [
      keepsAll,
      inTurn,
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

  worker: site => addingTo<Does>(site),
})
