/** The unlock experiment in words, tables and drawings. All figures come from the rounds. */
import { humanMs } from '../../base/duration.ts'
import { count, showMs } from '../figures.ts'
import type { Finding } from '../judge.ts'
import { heading, table } from '../table.ts'
import { drawTimeline } from '../../journal/draw.ts'
import type { Lane, Mark } from '../../journal/draw.ts'
import { at } from './round.ts'
import type { Part, Round } from './round.ts'
import { DESCRIPTIONS, PAUSED, REPAIRED } from './ways.ts'
import type { Way } from './ways.ts'

export function showWay(rounds: readonly Round[], way: Way, ttlMs: number): string[] {
  const [first] = rounds
  return [
    ...heading(`${way}: ${DESCRIPTIONS[way]}`),
    ...(first === undefined ? [] : drawTimeline(lanesOf(first, ttlMs))),
  ]
}

function lanesOf(round: Round, ttlMs: number): readonly Lane[] {
  const { late, successor, third, way, removedOther } = round
  const over = at(late, 'enters') + ttlMs
  const unlocked = removedOther
    ? 'its release REMOVES the lock of the successor'
    : 'its release finds that the lock is no longer its own, and removes nothing'
  return [
    {
      name: 'late',
      spans: [
        { kind: 'held', from: at(late, 'enters'), to: Math.min(over, at(late, 'goes on')) },
        { kind: 'stale', from: over, to: at(late, 'has unlocked') },
      ],
      marks: [
        mark(late, 'enters', `locks for ${humanMs(ttlMs)}`),
        mark(late, 'stops', `has done its work, and is stopped ${PAUSED[way]}`),
        mark(late, 'has unlocked', `goes on: ${unlocked}`),
      ],
    },
    laneOf('successor', successor, 'enters, since the time of the late one is over'),
    laneOf('third', third, round.overlapMs > 0 ? 'enters as well: TWO INSIDE' : 'enters, after the successor has left'),
  ]
}

function laneOf(name: string, part: Part, entering: string): Lane {
  return {
    name,
    spans: [
      { kind: 'waiting', from: at(part, 'begins'), to: at(part, 'enters') },
      { kind: 'held', from: at(part, 'enters'), to: at(part, 'is done') },
    ],
    marks: [mark(part, 'enters', entering), mark(part, 'is done', 'leaves')],
  }
}

function mark(part: Part, type: string, text: string): Mark {
  return { at: at(part, type), text }
}

export function showComparison(rounds: readonly Round[], ways: readonly Way[]): string[] {
  const rows = ways.flatMap(way => {
    const of = rounds.filter(round => round.way === way)
    if (of.length === 0) return []
    return [
      [
        way,
        ...[of.length, removals(of), overlaps(of)].map(String),
        showMs(overlaps(of) === 0 ? null : Math.max(...of.map(round => round.overlapMs))),
      ],
    ]
  })
  const columns = ['rounds', 'foreign lock removed', 'two inside', 'longest'].map(title => ({ title, figures: true }))
  return [...heading('The ways side by side'), ...table([{ title: 'way' }, ...columns], rows)]
}

export function judge(rounds: readonly Round[], ways: readonly Way[]): readonly Finding[] {
  return ways.map(way => {
    const of = rounds.filter(round => round.way === way)
    const found = `lock removed in ${removals(of)}, two inside in ${overlaps(of)} of ${count(of.length, 'round')}`
    return REPAIRED.includes(way)
      ? {
          claim: `${way}: a late release removes nobody's lock, never two inside`,
          holds: of.length > 0 && removals(of) === 0 && overlaps(of) === 0,
          found,
        }
      : {
          claim: `${way}: shows the problem, a late release lets a third one in`,
          holds: of.length > 0 && removals(of) === of.length && overlaps(of) === of.length,
          found,
        }
  })
}

export function lessons(rounds: readonly Round[]): readonly string[] {
  const of = (way: Way): readonly Round[] => rounds.filter(round => round.way === way)
  const said = (way: Way): string => `${overlaps(of(way))} of ${count(of(way).length, 'round')}`
  return [
    `DEL by itself asks nobody whose lock it is. A process that was stopped for longer than its ttl removed the lock of its successor, and a third one was inside together with that successor, in ${said('del')}. Each of the three did all that its program told it to, and none was told of an error.`,
    `To look first (GET) and then DEL helps only against a process that is stopped before it looks. Stopped between the two commands it had the right answer to a question that was out of date: two inside in ${said('get-del')}. The shorter the gap the rarer it is, and the harder to find.`,
    `A script runs on the server as one step, so nothing can come between comparing and deleting: two inside in ${said('script')}. That, and not speed, is why one unlocks Redis with a script. holdfast releases, renews and enters by one script each, and whoever waits is told by name: ${said('holdfast')}.`,
    'No way to unlock helps against the other half of the story: the late one and its successor may both have been at work, if the pause comes in the middle of it. For that the resource must refuse the late one by its fencing token: holdfast lab failover shows how.',
  ]
}

function removals(rounds: readonly Round[]): number {
  return rounds.filter(round => round.removedOther).length
}

function overlaps(rounds: readonly Round[]): number {
  return rounds.filter(round => round.overlapMs > 0).length
}
