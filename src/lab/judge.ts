/**
 * An experiment judges itself. A repaired way that fails is a defect of ours; one whose rival did not ask inside the
 * danger window has not been tried; a broken one that does not show its problem proves nothing. Each makes the run
 * fail.
 */
import type { Account } from './account.ts'
import { isBroken } from './declaration.ts'
import type { Claim, Round } from './declaration.ts'
import { count } from './figures.ts'
import type { Message } from './wire.ts'

export interface Finding {
  /** What is required, as a sentence: "mutex: no data inconsistencies". */
  readonly claim: string
  readonly holds: boolean
  /** What was measured. */
  readonly found: string
}

export interface Performed {
  /** It went to its end, and showed what it must. */
  readonly passed: boolean
  readonly findings: readonly Finding[]
  /** Something that goes wrong was seen beside something that holds. */
  readonly compared: boolean
  readonly sabotage: string | null
  /** What --json prints beside these. */
  readonly figures: Message
  readonly account: Account
  /** The signal that ended the run early. */
  readonly interruptedBy: NodeJS.Signals | null
}

export function judgeWay<Outcome>(
  way: string,
  claims: readonly Claim<Outcome>[],
  rounds: readonly Round<Outcome>[],
): readonly Finding[] {
  const outcomes = rounds.map(({ outcome }) => outcome)
  const findings = claims.map(claim => {
    const so = outcomes.filter(outcome => claim.holds(outcome)).length
    const found = claim.found?.(outcomes) ?? `in ${so} of ${count(outcomes.length, 'round')}`
    return { claim: `${way}: ${claim.text}`, holds: outcomes.length > 0 && so === outcomes.length, found }
  })
  return isBroken(claims) ? findings : [...findings, judgeExposure(way, rounds)]
}

function judgeExposure(way: string, rounds: readonly Round<unknown>[]): Finding {
  const exposed = rounds.filter(round => round.exposed > 0).length
  const times = rounds.reduce((sum, round) => sum + round.exposed, 0)
  return {
    claim: `${way}: the rival asked inside the danger window, in every round`,
    holds: rounds.length > 0 && exposed === rounds.length,
    found: `in ${exposed} of ${count(rounds.length, 'round')}, ${count(times, 'time')} in all; ${bound(times)}`,
  }
}

/**
 * What "not once in so many" is worth: a thing that was not seen in n tries has, with 95 % certainty, a chance of at
 * most 3 in n (the rule of three).
 */
function bound(tries: number): string {
  return tries <= 3
    ? 'too few to say how seldom something would go unseen'
    : `what was not seen so often has a chance of at most ${((100 * 3) / tries).toFixed(1)} % (3 in ${tries})`
}
