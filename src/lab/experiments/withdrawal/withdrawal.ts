/**
 * Two withdrawals of 5,000 from an account with 5,000: how much is paid out?
 *
 * Each looks at the balance, writes what is left, and pays. When the first has looked, the second one asks; only when
 * that has looked too, or is kept waiting, the first goes on. Judged by the cash that left: after two blind writes the
 * balance is what one withdrawal leaves.
 */
import { number, text } from '../../../base/decode.ts'
import type { SqlTransaction } from '../../../sql/transaction.ts'
import { actsOf } from '../../acts.ts'
import type { Connection } from '../../database.ts'
import type { Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, sum } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { meet } from '../../meeting.ts'
import { findPlaces, places, reachPlaces } from '../../places.ts'
import { rowOf } from '../../row.ts'
import { tellingSections, underLock, underRowLock } from '../../sections.ts'
import type { Section } from '../../sections.ts'

const AMOUNT = 5_000
/** Its value is the balance. */
const account = rowOf('withdrawal')

interface Means extends Section {
  readonly connection: Connection
  /** Looks, and writes what is left; null: declined. `checked`: only if the row is still the one that was looked at. */
  withdraw(options?: { readonly tx?: SqlTransaction; readonly checked?: true }): Promise<number | null>
}
/** What is left, once that is certain; null: declined. */
type Does = (means: Means) => Promise<number | null>

const unprotected: Does = ({ turn, withdraw }) => {
  turn.act('works')
  return withdraw()
}
const checked: Does = ({ turn, withdraw }) => {
  turn.act('works')
  return withdraw({ checked: true })
}
const locked: Does = means => underLock(means, () => means.withdraw())
const rowLocked: Does = means => underRowLock(means, tx => means.withdraw({ tx }))

const ways: Readonly<Record<'none' | 'lock' | 'row-lock' | 'version', Way<Does>>> = {
  none: { is: 'look, write what is left, pay', does: unprotected, sabotage: locked },
  lock: { is: 'the same under a distributed lock', does: locked, sabotage: unprotected },
  'row-lock': { is: 'the same in a transaction that locks the row first', does: rowLocked, sabotage: unprotected },
  version: { is: 'write only if the row is still the one seen', does: checked, sabotage: unprotected },
}

type Outcome = { readonly paid: number; readonly declined: number; readonly balance: number }
const paidOut = (rounds: readonly Outcome[]): number => sum(rounds, ({ paid }) => paid)
const found = (rounds: readonly Outcome[]): string =>
  `${paidOut(rounds)} paid out of ${rounds.length * AMOUNT} in ${count(rounds.length, 'round')}`
const right = holds<Outcome>('one is paid, the other declined', isRight, found)

function isRight({ paid, declined, balance }: Outcome): boolean {
  return paid === AMOUNT && declined === 1 && balance === 0
}

export const withdrawal = experiment({
  name: 'withdrawal',
  question: 'Two withdrawals of 5,000 from an account with 5,000: how much is paid out?',
  source: '"Lock It or Lose It: Avoiding Race Conditions in Distributed Systems"',
  says: "There's only ₹5,000 in the account, but somehow, both of you manage to withdraw ₹5,000 each.",
  takesS: 2,
  options: places,
  rounds: 5,
  ways,

  async setup(stage) {
    const { connection, place, told } = await findPlaces(stage, { servers: true })
    await account.create(stage, connection)
    const crew = await stage.workers(['you', 'your friend'], place)
    stage.conditions({
      workers: '2 processes; each looks at the balance, writes what is left, and pays',
      order: 'your friend asks when you have looked; you go on when your friend has looked too, or is kept waiting',
      ...told,
    })
    return { crew, connection }
  },

  async round({ free }, { crew: [you, friend], connection }, stage) {
    await connection.transaction(tx => account.write(tx, AMOUNT))
    if (free) await stage.together([you, 'withdraw'], [friend, 'withdraw'])
    else await meet([you, friend], { part: 'withdraw', at: 'read', until: ['read', 'waits'] })
    const acts = stage.acts()
    const { value: balance } = await account.read(connection)
    const paid = sum(actsOf(acts, 'pays'), ({ fields }) => number(fields, 'amount'))
    return { paid, declined: actsOf(acts, 'declines').length, balance }
  },

  free: { is: 'both begin at one instant, and nobody waits for anybody', rounds: 50 },
  danger: { opens: 'read', closes: ['pays', 'declines'] },
  telling: {
    read: ({ fields }) => `sees a balance of ${number(fields, 'balance')}`,
    ...tellingSections,
    pays: ({ fields }) => `has written ${number(fields, 'left')}, and pays ${number(fields, 'amount')}`,
    declines: ({ fields }) => `declines: ${text(fields, 'why')}`,
  },
  columns: {
    rounds: rounds => rounds.length,
    'was there': rounds => rounds.length * AMOUNT,
    'paid out': paidOut,
    declined: rounds => sum(rounds, ({ declined }) => declined),
    'balance at the end': rounds => rounds.at(-1)?.balance ?? '-',
  },
  claims: {
    none: [
      shows('twice the balance is paid out', ({ paid }) => paid === 2 * AMOUNT, found),
      holds('and the account does not show it, its balance is 0', ({ balance }: Outcome) => balance === 0),
    ],
    lock: [right],
    'row-lock': [right],
    version: [right],
  },
  lessons(of) {
    const said = (way: keyof typeof ways): string => found(of(way))
    return lessonsOf(of, {
      none: () =>
        `Without protection both see the money and both are paid: ${said('none')}. The account says ${of('none').at(-1)?.balance} at the end, as after one withdrawal: whoever checks the data finds nothing. Judge by what left the house.`,
      lock: () =>
        `Under a lock the second one looks only when the first is done: ${said('lock')}. Look inside the lock: a balance that was seen before is of no use.`,
      'row-lock': () =>
        `A row lock does the same where all that must agree lies in one database: ${said('row-lock')}. The cash lies in none: it is paid after the commit, or a transaction that fails has paid already.`,
      version: () =>
        `A check of the version makes nobody wait and tells one of the two that it was late: ${said('version')}. It must come before the payment.`,
    })
  },

  async worker(site) {
    const { locks, database, connection } = await reachPlaces(site)
    return {
      async withdraw(turn) {
        const decline = (why: string): null => {
          turn.act('declines', { why })
          return null
        }
        const withdraw: Means['withdraw'] = async ({ tx, checked: careful } = {}) => {
          const { value: balance, version } = await account.read(
            tx ?? connection,
            tx === undefined ? '' : database.forUpdate,
          )
          await turn.gate('read', { balance })
          if (balance < AMOUNT) return decline('there is not enough')
          const left = balance - AMOUNT
          const put = (on: SqlTransaction): Promise<number | null> =>
            account.write(on, left, careful === true ? { onlyAt: version } : {})
          const written = await (tx === undefined ? connection.transaction(put) : put(tx))
          return written === null ? decline('the account has changed meanwhile') : left
        }
        const left = await turn.way({ locks, connection, turn, withdraw })
        if (left !== null) turn.act('pays', { amount: AMOUNT, left })
      },
    }
  },
})
