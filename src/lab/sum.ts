/** What came of all experiments: a line for each, what failed, what was not run and why, and the sum. */
import { humanMs } from '../base/duration.ts'
import { json } from '../base/text.ts'
import type { Ended, Sum } from './all.ts'
import { count } from './figures.ts'
import { showFinding, verdictOf } from './show.ts'
import type { Message } from './wire.ts'

export const WORDS: Readonly<Record<Ended['as'], string>> = {
  passed: 'ok',
  failed: 'FAIL',
  broken: 'FAIL',
  'not run': 'not run',
}

export function showEnded(ended: Ended): readonly string[] {
  const { name, question } = ended.experiment
  const head = `${WORDS[ended.as].padEnd(7)}  ${name.padEnd(15)}`
  if (ended.as === 'not run') return [`${head}  ${ended.why}`]
  const line = `${head}  ${humanMs(ended.tookMs).padStart(6)}  ${question}`
  if (ended.as === 'broken') return [line, `         ${ended.why}`]
  return [
    line,
    ...ended.performed.findings.filter(({ holds }) => !holds).map(finding => `       ${showFinding(finding)}`),
  ]
}

export function showSum(sum: Sum): readonly string[] {
  return ['', tellSum(sum)]
}

export function tellSum({ all, interruptedBy }: Sum): string {
  const of = (...as: readonly Ended['as'][]): number => all.filter(one => as.includes(one.as)).length
  const ran = count(of('passed', 'failed', 'broken'), 'experiment')
  const told = `${ran} run: ${of('passed')} showed what they must, ${of('failed', 'broken')} did not; ${of('not run')} not run.`
  if (interruptedBy === null) return told
  return `${told} Ended early by ${interruptedBy}: what was being measured is not judged, and what would have come was not run.`
}

export function sumAsJson(sum: Sum): string {
  const interrupted = sum.interruptedBy !== null
  return json({ version: 1, passed: hasPassed(sum), interrupted, experiments: sum.all.map(asJson) }, 2)
}

/** All that ran showed what they must, and something did run. */
export function hasPassed({ all, interruptedBy }: Sum): boolean {
  if (interruptedBy !== null) return false
  return all.every(({ as }) => as === 'passed' || as === 'not run') && all.some(({ as }) => as === 'passed')
}

function asJson(ended: Ended): Message {
  const { experiment, as } = ended
  const tookMs = Math.round(ended.tookMs)
  if ('performed' in ended) return { as, tookMs, ...verdictOf(experiment, ended.performed) }
  return { as, tookMs, experiment: experiment.name, why: ended.why }
}
