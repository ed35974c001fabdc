/**
 * Two withdrawals of 5,000 from an account with 5,000: how much is paid out?
 *
 * Each looks at the balance, writes what is left, and pays. When the first has looked, the second one asks; only when
 * that has looked too, or is kept waiting, the first goes on. Judged by the cash that left: after two blind writes the
 * balance is what one withdrawal leaves.
 */
import { withoutPassword } from '../../../base/address.ts'
import { number, text } from '../../../base/decode.ts'
import type { Locks } from '../../../locks/types.ts'
import type { SqlTransaction } from '../../../sql/transaction.ts'
import { actsOf } from '../../acts.ts'
import { databaseAt, databaseOf } from '../../database.ts'
import type { Connection } from '../../database.ts'
import type { Turn, Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, sum } from '../../figures.ts'
import { optional, storeOption } from '../../options.ts'
import { rowOf } from '../../row.ts'
import { storeAt } from '../../store.ts'

const AMOUNT = 5_000
/** Its value is the balance. */
const account = rowOf('withdrawal')

interface Means {
  readonly locks: Locks
  readonly connection: Connection
  readonly key: string
  readonly turn: Turn<Does>
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
const locked: Does = async ({ turn, locks, key, withdraw }) => {
  turn.act('asks')
  const off = locks.on('waiting', () => turn.act('waits'))
  const left = await locks.run(key, { signal: turn.signal }, () => {
    turn.act('holds')
    return withdraw()
  })
  off()
  return left
}
const rowLocked: Does = ({ turn, connection, withdraw }) => {
  turn.act('asks')
  const inside = (tx: SqlTransaction): Promise<number | null> => {
    turn.act('holds')
    return withdraw({ tx })
  }
  return connection.transaction(inside, { signal: turn.signal, waiting: () => turn.act('waits') })
}

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
  takesS: 1,
  options: {
    store: storeOption('store of the lock (default: a SQLite file of its own)'),
    db: optional('url', 'database of the account (default: a SQLite file of its own)'),
  },
  rounds: 5,
  ways,

  async setup(stage) {
    const store = await storeAt(stage.settings.store, stage)
    const database = await databaseAt(stage.settings.db, stage.directory)
    const connection = stage.use(await database.connect())
    await account.create(stage, connection)
    const crew = await stage.workers(['you', 'your friend'], { store: store.address, db: database.address })
    stage.conditions({
      workers: '2 processes; each looks at the balance, writes what is left, and pays',
      order: 'your friend asks when you have looked; you go on when your friend has looked too, or is kept waiting',
      lock: store.told,
      database: withoutPassword(database.address),
      'row lock': database.rowLock,
    })
    return { crew, connection }
  },

  async round(_way, { crew: [you, friend], connection }, stage) {
    await connection.transaction(tx => account.write(tx, AMOUNT))
    const first = you.play('withdraw')
    await first.until('read')
    const second = friend.play('withdraw')
    await second.until('read', 'waits')
    first.pass()
    await first.done
    second.pass()
    await second.done
    const acts = stage.acts()
    const { value: balance } = await account.read(connection)
    const paid = sum(actsOf(acts, 'pays'), ({ fields }) => number(fields, 'amount'))
    return { paid, declined: actsOf(acts, 'declines').length, balance }
  },

  danger: { opens: 'read', closes: ['pays', 'declines'] },
  telling: {
    read: ({ fields }) => `sees a balance of ${number(fields, 'balance')}`,
    waits: 'is kept waiting',
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
    const told: Readonly<Record<keyof typeof ways, string>> = {
      none: `Without protection both see the money and both are paid: ${said('none')}. The account says ${of('none').at(-1)?.balance} at the end, as after one withdrawal: whoever checks the data finds nothing. Judge by what left the house.`,
      lock: `Under a lock the second one looks only when the first is done: ${said('lock')}. Look inside the lock: a balance that was seen before is of no use.`,
      'row-lock': `A row lock does the same where all that must agree lies in one database: ${said('row-lock')}. The cash lies in none: it is paid after the commit, or a transaction that fails has paid already.`,
      version: `A check of the version makes nobody wait and tells one of the two that it was late: ${said('version')}. It must come before the payment.`,
    }
    return (['none', 'lock', 'row-lock', 'version'] as const).flatMap(way => (of(way).length === 0 ? [] : [told[way]]))
  },

  async worker({ key, place, locks: open, use }) {
    const locks = await open(text(place, 'store'))
    const database = await databaseOf(text(place, 'db'))
    const connection = use(await database.connect())
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
        const left = await turn.way({ locks, connection, key, turn, withdraw })
        if (left !== null) turn.act('pays', { amount: AMOUNT, left })
      },
    }
  },
})
