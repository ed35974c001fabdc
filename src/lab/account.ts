/** What there is to tell of a run, as data: what a terminal shows as it goes on, and a page at the end. */
import type { Lane } from '../journal/model.ts'
import { lanesOf } from './acts.ts'
import type { Chance } from './chance.ts'
import { isBroken } from './declaration.ts'
import type { Declaration, Round } from './declaration.ts'
import type { Options } from './options.ts'
import type { Message } from './wire.ts'

/** A way, as far as there is anything to tell of it. */
export interface WayTold {
  readonly name: string
  readonly is: string
  /** It must show a problem. */
  readonly broken: boolean
  /** Of the first round: its picture, and more lines. */
  readonly lanes: readonly Lane[]
  readonly shown: readonly string[]
  /** In the order of `Account.columns`. */
  readonly figures: readonly string[]
}

export interface Account {
  readonly conditions: Readonly<Record<string, string>>
  readonly columns: readonly string[]
  readonly ways: readonly WayTold[]
  /** What stands below the figures, to explain them. */
  readonly notes: readonly string[]
  readonly lessons: readonly string[]
}

const EXPOSED = 'exposed: how often the rival asked inside the danger window'

/** Ways without a round are left out. */
export function waysTold<O extends Options, Scene, Name extends string, Does, Outcome extends Message>(
  declaration: Declaration<O, Scene, Name, Does, Outcome>,
  { ways, of, chances }: Measured<NoInfer<Name>, NoInfer<Outcome>>,
): Pick<Account, 'columns' | 'ways' | 'notes'> {
  const { columns, free } = declaration
  const left = chances.length > 0
  const told = ways.flatMap(way => {
    const rounds = of(way)
    const [first] = rounds
    if (first === undefined) return []
    const outcomes = rounds.map(({ outcome }) => outcome)
    const exposed = rounds.reduce((sum, round) => sum + round.exposed, 0)
    const own = Object.values(columns).map(figure => String(figure(outcomes)))
    const figures = [...own, ...(left ? [showChance(way, chances)] : []), String(exposed)]
    const { is } = declaration.ways[way]
    const broken = isBroken(declaration.claims[way])
    return [{ name: way, is, broken, lanes: lanesIn(declaration, first), shown: shownOf(declaration, first), figures }]
  })
  const byChance = `by chance: the problem in rounds that nobody arranged (${free?.is ?? ''}); not judged`
  return {
    columns: [...Object.keys(columns), ...(left ? ['by chance'] : []), 'exposed'],
    ways: told,
    notes: [...(left ? [byChance] : []), EXPOSED],
  }
}

interface Measured<Name extends string, Outcome> {
  readonly ways: readonly Name[]
  of(way: Name): readonly Round<Outcome>[]
  readonly chances: readonly Chance[]
}

function showChance(way: string, chances: readonly Chance[]): string {
  const chance = chances.find(one => one.way === way)
  return chance === undefined ? '-' : `${chance.shown} of ${chance.rounds}`
}

/** The picture of a round; none where the experiment draws none. */
export function lanesIn<O extends Options, Scene, Name extends string, Does, Outcome extends Message>(
  { draw, telling }: Declaration<O, Scene, Name, Does, Outcome>,
  { acts }: Round<Outcome>,
): readonly Lane[] {
  const drawn = draw?.(acts) ?? acts
  return drawn.length === 0 ? [] : lanesOf(drawn, telling)
}

export function shownOf<O extends Options, Scene, Name extends string, Does, Outcome extends Message>(
  { show }: Declaration<O, Scene, Name, Does, Outcome>,
  { outcome }: Round<Outcome>,
): readonly string[] {
  return show?.(outcome) ?? []
}
