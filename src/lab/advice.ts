/**
 * Do you need a lock, and which? Six questions of "go-blog-distributed-mutex" by Antonio Alexander ("Identifying the
 * Problem"), and what follows from the answers, with the figures of the reader's own machine.
 */
import type { Figure } from './tour-steps.ts'

const QUESTIONS = {
  contended: 'Do several change the same or related data at the same time, often?',
  distributed: 'Do they run in more than one process, or on more than one machine?',
  breaks: 'Does it break your application if the data is inconsistent?',
  patient: 'Will your users put up with waiting, if what they get is right?',
  hidden: 'Would it be hard to notice that data is wrong, and to mend it?',
  survives: 'Could you go on if it happened many times?',
} as const
export type Answer = keyof typeof QUESTIONS
export type Answers = Readonly<Record<Answer, boolean>>

/** What --yes answers: somebody who has come to read about locks. */
export const TYPICAL: Answers = {
  contended: true,
  distributed: true,
  breaks: true,
  patient: true,
  hidden: true,
  survives: false,
}

export const QUESTIONNAIRE: readonly (readonly [Answer, string])[] = [
  ['contended', QUESTIONS.contended],
  ['distributed', QUESTIONS.distributed],
  ['breaks', QUESTIONS.breaks],
  ['patient', QUESTIONS.patient],
  ['hidden', QUESTIONS.hidden],
  ['survives', QUESTIONS.survives],
]

/** A paragraph for each thing to do. `employee`: what the experiment of that name has measured here. */
export function advise(answers: Answers, employee: Figure): readonly string[] {
  const risk = `Here ${employee('none', 'lost')} of ${employee('none', 'succeeded')} updates were lost without protection, and nobody was told.`
  if (!answers.breaks || (!answers.contended && !answers.hidden && answers.survives))
    return [
      `Leave it out. ${risk} But that was two programs in step on one row; where it seldom happens, is seen at once, or does no harm, a lock costs more than it saves.`,
      'Write down why, and look again when the load or the price of a mistake grows.',
    ]
  const first = answers.distributed ? inDatabase(answers, employee) : inProcess(employee)
  const careful = answers.hidden || !answers.survives
  return [`Protect it. ${risk}`, first, ...(answers.distributed ? [beyond(employee)] : []), ...(careful ? [FENCE] : [])]
}

function inProcess(employee: Figure): string {
  return `One process needs no server: open('memory:') or a mutex of your language. The moment there is a second process it protects nothing; a file (sqlite:) holds among those of one machine, at ${employee('mutex', 'average')} for an update here, 15 ms of thinking included.`
}

function inDatabase({ patient }: Answers, employee: Figure): string {
  const [wait, version, errors] = [
    employee('row-lock', 'average'),
    employee('version', 'average'),
    employee('version', 'errors'),
  ]
  if (patient)
    return `If all that must agree lies in one database, let the database see to it: a constraint where one can say it, else a row lock. An update took ${wait} on average here, waiting and 15 ms of thinking included.`
  return `If all that must agree lies in one database and nobody may wait, compare versions: an update took ${version} on average here instead of ${wait} with a row lock. The price: ${errors} of ${employee('version', 'attempted')} were refused and have to be tried again.`
}

function beyond(employee: Figure): string {
  return `Where the work goes beyond one database (files, mail, a second service), take a lock: ${employee('mutex', 'average')} for an update here. It keeps others from starting; what must never happen twice is still refused by the data.`
}

const FENCE =
  'Do not rely on the lock alone: a holder that was paused writes after its time, as you have seen. Begin each transaction with fence(), and confirm only after the commit.'
