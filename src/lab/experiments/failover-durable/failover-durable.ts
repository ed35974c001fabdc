/**
 * A server that wrote the grant to its disk is lost: does the one in its place know of it?
 *
 * Two processes add an entry each to a list in one row (ledger.ts). When the first has read, the server that granted is
 * killed, and another one is put in charge: a standby of PostgreSQL that copied later or first, or the next leader of
 * etcd. Servers are new for each round.
 */
import type { Claim, Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { startMembers, startStandby } from '../../faults/promotions.ts'
import type { Promoted } from '../../faults/promotions.ts'
import { count } from '../../figures.ts'
import {
  addBoth,
  addingTo,
  columns,
  danger,
  found,
  inTurn,
  keepsAll,
  losesOne,
  refusesTheFirst,
  startLedger,
  telling,
  TOLD,
} from '../../ledger.ts'
import type { Added, Fenced } from '../../ledger.ts'
import { lessonsOf } from '../../lessons.ts'
import { refuseWithout, refuseWithoutPackage, serversOf } from '../../needs.ts'
import { ETCD } from '../../../servers/etcd.ts'
import { POSTGRES, standbyOf } from '../../../servers/postgres.ts'

const NEEDS = serversOf(POSTGRES, standbyOf(0), ETCD)

interface Does extends Fenced {
  readonly start: () => Promise<Promoted>
}
type Outcome = Added & {
  /** The standby, once promoted, has the grant. null: it cannot be asked but by locking. */
  readonly remembered: boolean | null
  /** Where nothing can be confirmed whoever asks is told so. null: there is no such thing. */
  readonly refusedAtLast: boolean | null
}

const standby = (synchronous: boolean, fenced = false): Does => ({ start: () => startStandby({ synchronous }), fenced })
const members = (alone: boolean): Does => ({ start: () => startMembers({ alone }), fenced: false })

const ways: Readonly<Record<'asynchronous' | 'fenced' | 'synchronous' | 'etcd', Way<Does>>> = {
  asynchronous: {
    is: 'PostgreSQL, whose standby copies later',
    does: standby(false),
    sabotage: standby(true),
  },
  fenced: {
    is: 'the same, and each transaction begins with fence()',
    does: standby(false, true),
    sabotage: standby(false),
  },
  synchronous: {
    is: 'PostgreSQL, whose standby copies before the primary confirms',
    does: standby(true),
    sabotage: standby(false),
  },
  etcd: { is: 'etcd, three members', does: members(false), sabotage: members(true) },
}

const knowing = (rounds: readonly Outcome[]): string =>
  `known to the standby in ${rounds.filter(({ remembered }) => remembered === true).length} of ${count(rounds.length, 'round')}`
const forgotten: Claim<Outcome> = holds(
  'the grant is not on the standby',
  ({ remembered }) => remembered === false,
  knowing,
)
/** The primary that the first would release at is gone: the lock is free once its lease is over, after the round. */
const refusesTheSecond: Claim<Outcome> = holds(
  'the promoted standby has the grant, and refuses the second',
  ({ remembered, confirmed }) => remembered === true && !confirmed.includes('second'),
  knowing,
)
const refusedAtLast: Claim<Outcome> = holds(
  'where nothing can be confirmed nobody gets in, and is told so',
  outcome => outcome.refusedAtLast === true,
)

export const failoverDurable = experiment({
  name: 'failover-durable',
  question: 'A server that wrote the grant to its disk is lost: does the one in its place know of it?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  says: 'What about high-availability with sql?',
  needs: { ...NEEDS, told: 'postgres, etcd' },
  takesS: 30,
  options: {},
  rounds: 1,
  ways,

  async setup(stage) {
    refuseWithout(NEEDS)
    await refuseWithoutPackage('pg', 'PostgreSQL')
    const ledger = await startLedger(stage)
    stage.conditions({
      ...TOLD,
      fault: 'after the first one has read: the server that granted is killed (-9), and another one put in charge',
      store: 'PostgreSQL with a standby, and etcd of three members; started for each round',
    })
    return ledger
  },

  async round({ does: { start } }, ledger, stage): Promise<Outcome> {
    const store = await start()
    try {
      store.prepare()
      const added = await addBoth(ledger, { store, stage })
      let refusedAtLast: boolean | null = null
      if (store.isolation !== null) {
        await store.isolation.begin()
        stage.act('store', 'is hurt', { fault: store.isolation.fault })
        // A lock that nobody holds: to refuse one that is held nothing has to be confirmed.
        const last = ledger.crew[0].play('add', { store: store.after, free: true })
        last.pass()
        refusedAtLast = (await last.until('finds no store', 'holds', 'refused')).type === 'finds no store'
        await last.done
      }
      return { ...added, remembered: store.remembered(), refusedAtLast }
    } finally {
      await store.close()
    }
  },

  danger,
  telling,
  columns,
  claims: {
    asynchronous: [shows('two holders and a lost entry', losesOne, found), forgotten],
    fenced: [keepsAll, refusesTheFirst, forgotten],
    synchronous: [keepsAll, refusesTheSecond, refusedAtLast],
    etcd: [keepsAll, inTurn, refusedAtLast],
  },
  lessons: of =>
    lessonsOf(of, {
      asynchronous: () =>
        `On the disk of one machine is not on that of the next. A standby that copies later, once promoted, did not have the grant (${knowing(of('asynchronous'))}): ${found(of('asynchronous'))}.`,
      fenced: () =>
        `The later grant has the greater token from the promoted standby too, so the resource refuses the first: ${found(of('fenced'))}.`,
      synchronous: () =>
        `Confirmed only once the standby has it, the grant outlives the primary: ${found(of('synchronous'))}. Released it can be no more where it was granted, and is free when the lease is over. The price: with no standby to confirm, the commit stands still, and holdfast takes that for a refusal.`,
      etcd: () =>
        `A majority of etcd has every grant, so the next leader knows it: ${found(of('etcd'))}. Without a majority nobody gets in.`,
    }),

  worker: site => addingTo<Does>(site),
})
