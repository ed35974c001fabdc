/** One round of the unlock experiment: who does what when, and what came of it. */
import { sleep, systemClock } from '../../base/clock.ts'
import { flag } from '../../base/decode.ts'
import { play } from '../actor.ts'
import type { Act, Actor } from '../actor.ts'
import type { Crew, Member } from '../workers.ts'
import type { Way } from './ways.ts'

export interface Round {
  readonly way: Way
  readonly late: Part
  readonly successor: Part
  readonly third: Part
  /** The late release removed something, though its own lock was over: the successor's lock. */
  readonly removedOther: boolean
  /** For so long the third was inside while the successor still was. 0: never. */
  readonly overlapMs: number
}

export type Part = readonly Act[]

/** What the third one may do in vain while the successor is inside. */
const PATIENCE_MS = 120

/** Three workers, whose order is forced: nothing here depends on who is quicker. */
export async function playRound(
  way: Way,
  crew: Crew,
  options: { readonly ttlMs: number; readonly sabotaged: boolean },
): Promise<Round> {
  const [lateOne, successorOne, thirdOne] = crew.members
  if (lateOne === undefined || successorOne === undefined || thirdOne === undefined)
    throw new Error('The unlock experiment needs three workers.')
  const order = (member: Member, part: string): Actor => play(member, { part, way, ...options })

  const late = order(lateOne, 'late')
  await late.until('stops')
  // A SIGSTOP of ours as well might come first, and its own would then stop it for good.
  await lateOne.child.stopped()
  const successor = order(successorOne, 'stays')
  await successor.until('enters')
  lateOne.child.resume()
  await late.played

  const third = order(thirdOne, 'next')
  await Promise.race([third.until('enters'), third.until('waits')])
  await Promise.race([third.played, sleep(systemClock, PATIENCE_MS)])
  successorOne.stop()
  await Promise.all([successor.played, third.played])
  return {
    way,
    late: late.acts,
    successor: successor.acts,
    third: third.acts,
    removedOther: flag((await late.until('has unlocked')).fields, 'removed'),
    overlapMs: Math.max(0, at(successor.acts, 'is done') - at(third.acts, 'enters')),
  }
}

/** Not there: not a number, which every comparison refuses. */
export function at(part: Part, type: string): number {
  return part.find(act => act.type === type)?.at ?? Number.NaN
}
