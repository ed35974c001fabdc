/** The failover experiment in words, tables and drawings. All figures come from the rounds. */
import { count } from '../figures.ts'
import type { Act } from '../actor.ts'
import type { Finding } from '../judge.ts'
import { heading, table } from '../table.ts'
import { drawTimeline } from '../../journal/draw.ts'
import type { Lane } from '../../journal/draw.ts'
import { DESCRIPTIONS, entriesOf, REPAIRED } from './round.ts'
import type { Round, Way } from './round.ts'

const FAULT: Readonly<Record<Way, string>> = {
  redis: 'the primary is killed with the grant that it had not copied, and the replica promoted',
  fenced: 'the primary is killed with the grant that it had not copied, and the replica promoted',
  redlock: 'two of the five are killed, with all that they had granted',
}

export function showWay(rounds: readonly Round[], way: Way): string[] {
  const [round] = rounds
  if (round === undefined) return []
  const left = rounds.map(one => one.refusedWithoutMajority).filter(refused => refused !== null)
  return [
    ...heading(`${way}: ${DESCRIPTIONS[way]}`),
    ...drawTimeline([
      laneOf('first', round.first),
      { name: 'store', spans: [], marks: [{ at: round.struckAt, text: FAULT[way] }] },
      laneOf('second', round.second),
    ]),
    ...(left.length === 0
      ? []
      : [
          '',
          `  With three of the five down: ${left.every(Boolean) ? 'nobody gets a lock, and whoever asks is told that the store is not there' : 'SOMEBODY GOT A LOCK'}.`,
        ]),
  ]
}

function laneOf(name: string, acts: readonly Act[]): Lane {
  const spans = acts
    .filter(act => act.type === 'holds')
    .map(act => ({
      kind: 'held' as const,
      from: act.at,
      to: acts.find(later => later.type === 'has left' && later.at > act.at)?.at ?? act.at,
    }))
  return { name, spans, marks: acts.flatMap(act => (tell(act) === '' ? [] : [{ at: act.at, text: tell(act) }])) }
}

function tell(act: Act): string {
  switch (act.type) {
    case 'holds':
      return `holds the lock, token ${String(act.fields['token'])}`
    case 'is refused':
      return 'asks for the lock, and is refused: it is held'
    case 'finds no store':
      return 'asks for the lock, and there is no store'
    case 'has read':
      return `reads ${entriesOf(act)}`
    case 'looks':
      return act.fields['sure'] === true ? 'looks at its lease: still sure' : 'looks at its lease: no longer sure'
    case 'has written':
      return 'writes back what it read and one entry more, and is told that this is done'
    case 'is stale':
      return `wants to write, and is REFUSED: the row has seen token ${String(act.fields['newest'])}`
    default:
      return ''
  }
}

export function showComparison(rounds: readonly Round[], ways: readonly Way[]): string[] {
  const rows = ways.flatMap(way => {
    const of = rounds.filter(round => round.way === way)
    const sum = (amount: (round: Round) => number): number => of.reduce((total, round) => total + amount(round), 0)
    if (of.length === 0) return []
    return [
      [
        way,
        ...[
          of.length,
          doubled(of),
          sum(round => round.confirmed.length),
          sum(round => round.refused.length),
          lost(of),
        ].map(String),
      ],
    ]
  })
  const columns = ['rounds', 'two holders', 'confirmed', 'refused', 'lost'].map(title => ({ title, figures: true }))
  return [...heading('The ways side by side'), ...table([{ title: 'way' }, ...columns], rows)]
}

/** The invariant is one of the data: whatever was confirmed is in the row. */
export function judge(rounds: readonly Round[], ways: readonly Way[]): readonly Finding[] {
  return ways.flatMap(way =>
    judgeWay(
      way,
      rounds.filter(round => round.way === way),
    ),
  )
}

function judgeWay(way: Way, rounds: readonly Round[]): readonly Finding[] {
  const all = rounds.length
  const found = `two holders in ${doubled(rounds)}, a confirmed entry lost in ${lost(rounds)} of ${count(all, 'round')}`
  if (!REPAIRED.includes(way)) {
    return [
      {
        claim: `${way}: shows the problem, two holders and a lost entry`,
        holds: all > 0 && doubled(rounds) === all && lost(rounds) === all,
        found,
      },
    ]
  }
  const kept: Finding = {
    claim: `${way}: no confirmed entry is lost`,
    holds: all > 0 && lost(rounds) === 0 && rounds.every(round => round.confirmed.length > 0),
    found,
  }
  if (way === 'fenced') {
    const refused = rounds.filter(round => round.twoHolders && round.refused.includes('first')).length
    return [
      kept,
      {
        claim: 'fenced: though there are two holders, the one that lost is refused',
        holds: all > 0 && refused === all,
        found: `StaleTokenError in ${refused} of ${count(all, 'round')}`,
      },
    ]
  }
  const without = rounds.filter(round => round.refusedWithoutMajority === true).length
  return [
    kept,
    {
      claim: 'redlock: never two holders, and both get their turn',
      holds: doubled(rounds) === 0 && rounds.every(round => round.confirmed.length === 2),
      found,
    },
    {
      claim: 'redlock: without a majority nobody gets in, and is told so',
      holds: all > 0 && without === all,
      found: `${without} of ${count(all, 'round')}`,
    },
  ]
}

export function lessons(rounds: readonly Round[]): readonly string[] {
  const of = (way: Way): readonly Round[] => rounds.filter(round => round.way === way)
  const said = (way: Way, amount: (of: readonly Round[]) => number): string =>
    `${amount(of(way))} of ${count(of(way).length, 'round')}`
  return [
    `Redis answers first and copies afterwards. What a primary had confirmed and not yet copied is gone with it, a lock like anything else: two holders in ${said('redis', doubled)}. The first one was sure of its lease when it wrote, and it had no way to know better; an entry that had been confirmed was written over in ${said('redis', lost)}.`,
    `Fencing does not prevent two holders (${said('fenced', doubled)}); it makes them harmless. The successor has the greater token also from a server that has never heard of the first one, since tokens follow the clock. fence() raises the row to it before it reads, so the other is refused by the database itself: entries lost in ${said('fenced', lost)}.`,
    `A lock that a majority of independent servers must grant survives the loss of a minority with all that it knew: two holders in ${said('redlock', doubled)}. With a majority gone nobody gets in. It costs two rounds of messages instead of one; and clocks that step, or servers that forget what they had on disk, still break it: fence all the same.`,
  ]
}

function doubled(rounds: readonly Round[]): number {
  return rounds.filter(round => round.twoHolders).length
}

function lost(rounds: readonly Round[]): number {
  return rounds.filter(round => round.lost.length > 0).length
}
