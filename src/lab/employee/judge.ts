/** What each way must show: inconsistencies only without protection, errors only with versions. */
import { count } from '../figures.ts'
import type { Finding } from '../judge.ts'
import { lostUpdates, tally } from './rounds.ts'
import type { Attempt, Round, Tally } from './rounds.ts'

export function judge(rounds: readonly Round[]): readonly Finding[] {
  return rounds.flatMap(round => (round.kind === 'test' ? judgeTest(round) : judgeBenchmark(round)))
}

function judgeTest(round: Round): readonly Finding[] {
  const { way } = round
  const total = tally(round.attempts)
  const lost = lostUpdates(round)
  const inconsistent = count(total.inconsistencies, 'inconsistency', 'inconsistencies')
  const updates = `${inconsistent} in ${count(total.succeeded, 'update')}, ${lost} lost`
  if (way === 'none') {
    return [
      { claim: 'none: shows the problem, data inconsistencies', holds: total.inconsistencies > 0, found: updates },
      {
        claim: 'none: and nobody is told, no errors',
        holds: total.errors === 0,
        found: showErrors(total, round.attempts),
      },
    ]
  }
  return [
    {
      claim: `${way}: no data inconsistencies, no update lost`,
      holds: total.succeeded > 0 && total.inconsistencies === 0 && lost === 0,
      found: updates,
    },
    way === 'version'
      ? {
          claim: 'version: refuses updates that came too late',
          holds: total.errors > 0 && onlyRefusals(round.attempts),
          found: showErrors(total, round.attempts),
        }
      : { claim: `${way}: no errors`, holds: total.errors === 0, found: showErrors(total, round.attempts) },
  ]
}

/** A benchmark of something that goes wrong measures nothing. */
function judgeBenchmark(round: Round): readonly Finding[] {
  const total = tally(round.attempts)
  const right = total.succeeded > 0 && total.inconsistencies === 0 && lostUpdates(round) === 0
  const expected = round.way === 'version' ? onlyRefusals(round.attempts) : total.errors === 0
  const found = `${count(total.inconsistencies, 'inconsistency', 'inconsistencies')}, ${lostUpdates(round)} lost, ${showErrors(total, round.attempts)}`
  return [{ claim: `${round.way}: as right in the benchmark`, holds: right && expected, found }]
}

function onlyRefusals(attempts: readonly Attempt[]): boolean {
  return attempts.every(attempt => attempt.outcome !== 'failed')
}

/** With the first message, so that an error which nobody expected explains itself. */
function showErrors(total: Tally, attempts: readonly Attempt[]): string {
  const failed = attempts.find(attempt => attempt.outcome === 'failed')
  const errors = `${count(total.errors, 'error')} in ${count(total.attempted, 'attempt')}`
  return failed === undefined ? errors : `${errors}, first: ${failed.problem}`
}
