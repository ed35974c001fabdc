/**
 * The employee experiment in words and tables. All figures come from the rounds; nothing is said that was not measured.
 */
import { humanMs } from '../../base/duration.ts'
import { count, showMs } from '../figures.ts'
import { heading, paragraphs, table } from '../table.ts'
import type { Column } from '../table.ts'
import { drawTimeline } from '../../journal/draw.ts'
import type { Lane } from '../../journal/draw.ts'
import { isInconsistent, lostUpdates, tally, tallyOf } from './rounds.ts'
import type { Attempt, Round, Tally } from './rounds.ts'
import type { Settings } from './settings.ts'
import { DESCRIPTIONS } from './ways.ts'
import type { Way } from './ways.ts'

const FIGURES: readonly Column[] = ['attempted', 'succeeded', 'inconsistencies', 'errors', 'average', 'p99'].map(
  title => ({ title, figures: true }),
)
/** More lanes than these say less, not more. */
const MOST_LANES = 8
/** The ways in which one waits for the other. */
const TURNS: readonly Way[] = ['mutex', 'row-lock']

export function showRound(round: Round, settings: Settings): string[] {
  const workers = Array.from({ length: settings.workers }, (_, index) => [
    `worker ${index + 1}`,
    ...cells(tallyOf(round, index)),
  ])
  const lost = lostUpdates(round)
  return [
    ...heading(`${round.kind === 'test' ? 'Test' : 'Benchmark'}: ${round.way} (${DESCRIPTIONS[round.way]})`),
    ...table([{ title: '' }, ...FIGURES], [...workers, ['all', ...cells(tally(round.attempts))]]),
    ...(lost === 0
      ? []
      : [
          `  ${count(lost, 'update')} of those that succeeded ${lost === 1 ? 'is' : 'are'} not in the row: written over.`,
        ]),
    ...(round.extended === 0
      ? []
      : [`  Run on ${count(round.extended, 'more time', 'more times')}: the first had shown nothing yet.`]),
    ...(round.kind === 'test' && settings.workers <= MOST_LANES ? showTick(round) : []),
  ]
}

function cells(total: Tally): string[] {
  return [total.attempted, total.succeeded, total.inconsistencies, total.errors]
    .map(String)
    .concat(showMs(total.averageMs), showMs(total.p99Ms))
}

/** One tick as it went: the first that shows what the way is about. */
function showTick(round: Round): string[] {
  const telling =
    round.attempts.find(attempt => isInconsistent(attempt) || attempt.outcome === 'refused') ?? round.attempts[0]
  if (telling === undefined) return []
  // A round that was run on has each tick more than once: what happened at the same time belongs together.
  const near = (attempt: Attempt): boolean =>
    attempt.tick === telling.tick && Math.abs(startOf(attempt) - startOf(telling)) < 1_000
  const drawing = drawTimeline(
    round.attempts
      .filter(near)
      .toSorted((a, b) => a.worker - b.worker)
      .flatMap(attempt => lanesOf(attempt, TURNS.includes(round.way))),
  )
  return drawing.length === 0 ? [] : ['', '  One tick of it:', ...drawing]
}

function startOf(attempt: Attempt): number {
  return attempt.outcome === 'failed' ? Number.NaN : attempt.startedAt
}

function lanesOf(attempt: Attempt, turns: boolean): readonly Lane[] {
  if (attempt.outcome === 'failed') return []
  const { startedAt, admittedAt, readAt, wroteAt, endedAt } = attempt
  const outcome =
    attempt.outcome === 'refused'
      ? `refused: the row is no longer at version ${attempt.read}`
      : isInconsistent(attempt)
        ? `wrote version ${attempt.written}, but had read ${attempt.read}: what was written in between is lost`
        : `wrote version ${attempt.written}`
  return [
    {
      name: `worker ${attempt.worker + 1}`,
      spans: turns
        ? [
            { kind: 'waiting', from: startedAt, to: admittedAt },
            { kind: 'held', from: admittedAt, to: endedAt },
          ]
        : [{ kind: 'working', from: startedAt, to: endedAt }],
      marks: [
        { at: readAt, text: `read version ${attempt.read}` },
        { at: wroteAt, text: outcome },
      ],
    },
  ]
}

/** The ways side by side: right or wrong by the test, time by the benchmark where there is one. */
export function showComparison(rounds: readonly Round[]): string[] {
  const rows = rounds
    .filter(round => round.kind === 'test')
    .map(round => {
      const total = tally(round.attempts)
      const timed = timesOf(rounds, round.way)
      return [
        round.way,
        ...[total.attempted, total.succeeded, total.inconsistencies, lostUpdates(round), total.errors].map(String),
        showMs(timed.averageMs),
        showMs(timed.p99Ms),
      ]
    })
  const columns = ['attempted', 'succeeded', 'inconsistencies', 'lost', 'errors', 'average', 'p99'].map(title => ({
    title,
    figures: true,
  }))
  return [...heading('The ways side by side'), ...table([{ title: 'way' }, ...columns], rows)]
}

function timesOf(rounds: readonly Round[], way: Way): Tally {
  const of = rounds.filter(round => round.way === way)
  return tally((of.find(round => round.kind === 'benchmark') ?? of[0])?.attempts ?? [])
}

/** What to learn from the figures, a paragraph a way. */
export function lessons(rounds: readonly Round[], settings: Settings): readonly string[] {
  const test = (way: Way): Round | undefined => rounds.find(round => round.kind === 'test' && round.way === way)
  const time = (way: Way): string => showMs(timesOf(rounds, way).averageMs)
  const texts: string[] = []

  const none = test('none')
  if (none !== undefined) {
    const total = tally(none.attempts)
    texts.push(
      `Without protection ${total.inconsistencies} of ${count(total.succeeded, 'update')} (${share(total.inconsistencies, total.succeeded)}) met a row that somebody had changed since it was read, and ${count(lostUpdates(none), 'update')} that had been confirmed ${lostUpdates(none) === 1 ? 'is' : 'are'} not in the row. There ${total.errors === 1 ? 'was 1 error' : `were ${total.errors} errors`}: the program that loses data this way looks healthy.`,
    )
  }
  const mutex = test('mutex')
  if (mutex !== undefined) {
    const total = tally(mutex.attempts)
    const against = none === undefined ? '' : `, against ${time('none')} without protection`
    texts.push(
      `The mutex left ${count(total.inconsistencies, 'inconsistency', 'inconsistencies')} in ${count(total.succeeded, 'update')}. It makes ${settings.workers} workers take turns, so an update took ${time('mutex')} on average${against}: of every ${humanMs(settings.thinkMs)} that one thinks the others wait. That cost is paid only where workers meet on the same row.`,
    )
  }
  const rowLock = test('row-lock')
  if (rowLock !== undefined) {
    const total = tally(rowLock.attempts)
    texts.push(
      `The row lock left ${count(total.inconsistencies, 'inconsistency', 'inconsistencies')} at ${time('row-lock')} on average. If all that you change lies in one database it is enough, and there is no reason to have a mutex as well; a mutex also guards what lies in no database, or in two.`,
    )
  }
  const version = test('version')
  if (version !== undefined) {
    const total = tally(version.attempts)
    texts.push(
      `The version check makes nobody wait (${time('version')} on average) and refused ${total.errors} of ${count(total.attempted, 'attempt')} (${share(total.errors, total.attempted)}): right data, and somebody who must read again and decide again. It suits rows on which people seldom meet.`,
    )
  }
  return texts
}

function share(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${Math.round((100 * part) / whole)} %`
}

export function showLessons(texts: readonly string[]): string[] {
  return paragraphs('What to learn', texts)
}
