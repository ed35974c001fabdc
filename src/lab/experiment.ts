/**
 * From a declaration to an experiment that can be listed, performed, and opened in a worker process; and the two forms
 * of what it may claim.
 */
import { namespaceOf } from '../base/address.ts'
import type { Claim, Declaration, Parts, Site } from './declaration.ts'
import { NODE_ALONE } from './needs.ts'
import type { Needs } from './needs.ts'
import { oneIn, optional, readOptions, some, span, whole } from './options.ts'
import type { Given, Options } from './options.ts'
import { perform } from './perform.ts'
import type { Performed } from './judge.ts'
import type { Ground } from './stage.ts'
import type { Message } from './wire.ts'

export interface Experiment {
  readonly name: string
  readonly question: string
  readonly source: string
  readonly says: string | null
  readonly takesS: number
  readonly needs: Needs
  /** Each way in a few words. */
  readonly ways: Readonly<Record<string, string>>
  /** Its own, and those that every experiment has. */
  readonly options: Options
  /** @throws ConfigurationError  an option is wrong */
  perform(given: Given, ground: Ground): Promise<Performed>
  /** In a worker process: how it plays a part in a way. */
  open(given: Given, site: Omit<Site<unknown>, 'settings'>): Promise<(name: string, turn: Staging) => Promise<void>>
}

const USUAL_S = 5

/** What the machinery gives to a part, but for the way. */
export type Staging = Omit<Parameters<Parts<unknown>[string]>[0], 'way'> & { readonly wayName: string }

export function experiment<const O extends Options, Scene, const Name extends string, Does, Outcome extends Message>(
  declaration: Declaration<O, Scene, Name, Does, Outcome>,
): Experiment {
  const { name, question, source, rounds, free, worker, ways } = declaration
  const names = namesOf(ways)
  const common = {
    ways: some(names, 'which of the ways'),
    patienceMs: span({
      min: 100,
      max: 3_600_000,
      default: '30s',
      help: 'how long to wait for what must be seen, before it counts as not shown',
    }),
    namespace: optional('name', 'namespace of the locks (else that of the address, else HOLDFAST_NAMESPACE)'),
    sabotage: oneIn(names, 'take the repair of one way out, to see that the experiment notices'),
    ...(worker === undefined
      ? {}
      : { journal: optional('folder', 'write a journal of each worker there, for holdfast timeline') }),
    ...(typeof rounds === 'number'
      ? {
          rounds: whole({
            min: 1,
            max: 1_000,
            default: String(rounds),
            brief: String(Math.ceil(rounds / 2)),
            help: 'rounds for each way',
          }),
        }
      : {}),
    ...(free === undefined
      ? {}
      : {
          free: whole({
            min: 0,
            max: 1_000,
            default: String(free.rounds),
            brief: String(Math.ceil(free.rounds / 5)),
            help: 'rounds left to chance, for each way that goes wrong; not judged',
          }),
        }),
  }
  return {
    name,
    question,
    source,
    says: declaration.says ?? null,
    takesS: declaration.takesS ?? USUAL_S,
    needs: declaration.needs ?? NODE_ALONE,
    ways: Object.fromEntries(names.map(way => [way, ways[way].is])),
    options: { ...declaration.options, ...common },
    perform(asked, ground) {
      const given = settled(asked)
      const shared = readOptions(common, given)
      return perform(declaration, {
        ...ground,
        settings: readOptions(declaration.options, given),
        ways: shared.ways,
        sabotage: shared.sabotage,
        namespace: shared.namespace ?? '',
        patienceMs: shared.patienceMs,
        journal: shared.journal ?? null,
        given,
        // Without its repair a way says nothing about chance.
        freeRounds: shared.sabotage === null ? (shared.free ?? 0) : 0,
        roundsOf: way => (typeof rounds === 'function' ? rounds(way) : (shared.rounds ?? rounds)),
      })
    },
    async open(given, site) {
      if (worker === undefined) throw new Error(`${name} has no part for a worker.`)
      const { sabotage } = readOptions(common, given)
      const parts = await worker({ ...site, settings: readOptions(declaration.options, given) })
      return async (part, { wayName, ...turn }) => {
        const play = parts[part]
        const way = names.find(candidate => candidate === wayName)
        if (play === undefined || way === undefined) throw new Error(`${name} has no part "${part}" in "${wayName}".`)
        await play({ ...turn, way: sabotage === way ? ways[way].sabotage : ways[way].does })
      }
    },
  }
}

/**
 * The namespace once, by itself: who says it nearest to the call is meant, the option, then the address, then the
 * environment. So no experiment meets an address with one in it.
 * @throws ConfigurationError  the address names two
 */
function settled(given: Given): Given {
  const { store, namespace = process.env['HOLDFAST_NAMESPACE'] ?? '' } = given
  if (typeof store !== 'string') return { ...given, namespace }
  const at = namespaceOf(store)
  return { ...given, store: at.address, namespace: given['namespace'] ?? at.namespace ?? namespace }
}

function namesOf<Name extends string>(ways: Readonly<Record<Name, unknown>>): readonly Name[] {
  const isName = (name: string): name is Name => name in ways
  return Object.keys(ways).filter(isName)
}

type Found<Outcome> = (outcomes: readonly Outcome[]) => string

/** A way that goes wrong must show it, in every round. */
export function shows<Outcome>(
  text: string,
  holds: (outcome: Outcome) => boolean,
  found?: Found<Outcome>,
): Claim<Outcome> {
  return { text: `shows the problem, ${text}`, shows: true, holds, ...(found === undefined ? {} : { found }) }
}

/** What must be so in every round of a way, whether it goes wrong elsewhere or not. */
export function holds<Outcome>(
  text: string,
  isSo: (outcome: Outcome) => boolean,
  found?: Found<Outcome>,
): Claim<Outcome> {
  return { text, shows: false, holds: isSo, ...(found === undefined ? {} : { found }) }
}
