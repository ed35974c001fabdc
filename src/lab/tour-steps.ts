/**
 * What the tour shows, in order: a question to be answered before anything is run, a short run of an experiment, and
 * one sentence made of its figures.
 */
import { drawTimeline } from '../journal/draw.ts'
import type { Account } from './account.ts'

export interface Step {
  /** The experiment, and the ways that are run; the picture is of the first. */
  readonly experiment: string
  readonly ways: readonly [string, ...string[]]
  /** Options by their flags, where those of a brief run will not do. */
  readonly options?: Readonly<Record<string, string>>
  readonly tells: string
  readonly asks: string
  /** The answer, and what there is to say of it. */
  sees(figure: Figure): { readonly answer: string; readonly sentence: string }
}

/** What was measured of a way, as its table has it. */
export type Figure = (way: string, column: string) => string

export const STEPS: readonly Step[] = [
  {
    experiment: 'withdrawal',
    ways: ['none', 'lock'],
    options: { rounds: '1', free: '0' },
    tells: 'An account has 5,000. You and a friend withdraw 5,000 each, at the same instant.',
    asks: 'How much is paid out?',
    sees: figure => ({
      answer: figure('none', 'paid out'),
      sentence: `Both saw the money before either wrote: ${figure('none', 'paid out')} were paid, and the balance is ${figure('none', 'balance at the end')}, as if nothing were wrong. Under a lock it was ${figure('lock', 'paid out')}.`,
    }),
  },
  {
    experiment: 'employee',
    ways: ['none', 'mutex', 'row-lock', 'version'],
    options: { duration: '2s', interval: '50ms' },
    tells: 'Two programs add one to the same number, 40 times each, in step: read, think for 15 ms, write.',
    asks: 'How many of the 80 updates survive?',
    sees(figure) {
      const [made, lost] = [Number(figure('none', 'succeeded')), Number(figure('none', 'lost'))]
      return {
        answer: String(made - lost),
        sentence: `${made - lost} of ${made}: the others were written over, and nobody was told. With a lock, a row lock or a version none was lost; what that costs comes at the end.`,
      }
    },
  },
  {
    experiment: 'crashed-holder',
    ways: ['ttl', 'no-timeout'],
    options: { rounds: '1' },
    tells: 'The holder of a lock crashes. The lock has a length (ttl) of one second; another waits.',
    asks: 'After how many milliseconds, at most, does the other get in?',
    sees: figure => ({
      answer: figure('ttl', 'longest'),
      sentence: `After ${figure('ttl', 'longest')}, what was left of the ttl. Without one nobody would ever get in: that is why locks end by themselves, and that is where the next trouble comes from.`,
    }),
  },
  {
    experiment: 'paused-writer',
    ways: ['lease', 'fence'],
    options: { rounds: '1', free: '0' },
    tells:
      'A holder is paused for longer than its lease. Another takes over and writes. Then the first wakes up, and writes what it had in mind.',
    asks: 'Under the lock alone, is the update of the other one lost? (yes or no)',
    sees(figure) {
      const lost = Number(figure('lease', 'lost, successor had written')) > 0
      return {
        answer: lost ? 'yes' : 'no',
        sentence: `${lost ? 'Yes' : 'No'}: nobody can tell a process that stands still. With fence() the database itself refused the late write, by a number that grows with every lease.`,
      }
    },
  },
  {
    experiment: 'double-booking',
    ways: ['lease', 'unique'],
    options: { rounds: '1', free: '0' },
    tells:
      'A room is booked under a lock that lasts 5 seconds. The write takes 6 (here both are shorter, in the same ratio).',
    asks: 'To how many guests is the one room confirmed?',
    sees: figure => ({
      answer: figure('lease', 'confirmations'),
      sentence: `${figure('lease', 'confirmations')} confirmations for one room, and every program did what it should. With a unique row for each room and night it was ${figure('unique', 'confirmations')}, lock or no lock.`,
    }),
  },
]

export function figureOf({ columns, ways }: Account): Figure {
  return (way, column) => ways.find(({ name }) => name === way)?.figures[columns.indexOf(column)] ?? '-'
}

export function pictureOf({ ways }: Account, way: string): readonly string[] {
  const told = ways.find(({ name }) => name === way)
  return told === undefined ? [] : ['', ...drawTimeline(told.lanes), '']
}

/** "You said 5,000: it was 10000." Nothing of who did not guess. */
export function compared(guess: string, answer: string): readonly string[] {
  if (guess === '') return []
  return [isSame(guess, answer) ? `You said ${guess}, and so it was.` : `You said ${guess}: it was ${answer}.`]
}

/** Written in another way ("10,000", "Yes") it is the same; a time is right to a tenth. */
function isSame(guess: string, answer: string): boolean {
  const plainly = (text: string): string => text.toLowerCase().replaceAll(/[,\s]|ms$/g, '')
  const [said, was] = [plainly(guess), plainly(answer)]
  if (said === was || (/^[yn]$/.test(said) && was.startsWith(said))) return true
  return answer.endsWith(' ms') && Math.abs(Number(said) - Number(was)) <= 0.1 * Number(was)
}
