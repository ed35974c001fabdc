/**
 * Performs an experiment: starts what it needs, plays the rounds of each way, judges, and tells, for people as it goes
 * on, for programs at the end. Ctrl-C ends the round; what was measured is told and nothing is judged.
 */
import { withoutPassword } from '../base/address.ts'
import { systemClock } from '../base/clock.ts'
import { waysTold } from './account.ts'
import { chanceOf, isFree } from './chance.ts'
import type { Chance } from './chance.ts'
import { isBroken } from './declaration.ts'
import type { Chosen, Declaration, Round } from './declaration.ts'
import { exposureOf } from './exposure.ts'
import { folderOf } from './folder.ts'
import { judgeWay } from './judge.ts'
import type { Finding, Performed } from './judge.ts'
import type { Options, SettingsOf } from './options.ts'
import { showComparison, showRound } from './show.ts'
import { createStage, surrounded } from './stage.ts'
import type { Asked } from './stage.ts'
import { paragraphs } from './table.ts'
import type { Message } from './wire.ts'
import { NotShown } from './workers.ts'

/** From Ctrl-C to the end of the round at the latest. */
const GRACE_MS = 3_000

interface Plan<Settings, Name extends string> extends Asked<Settings> {
  readonly ways: readonly Name[]
  readonly sabotage: Name | null
  roundsOf(way: Name): number
  /** Rounds left to chance. */
  readonly freeRounds: number
}

export function perform<O extends Options, Scene, Name extends string, Does, Outcome extends Message>(
  declaration: Declaration<O, Scene, Name, Does, Outcome>,
  asked: Plan<SettingsOf<O>, Name>,
): Promise<Performed> {
  const { say } = asked
  const journal = asked.journal === null ? null : folderOf(asked.journal, '--journal')
  return surrounded(declaration.name, async at => {
    const play = createStage(declaration.name, { ...asked, journal }, at)
    const scene = await declaration.setup(play.stage)
    const rounds: Round<Outcome>[] = []
    let missed: Finding | null = null
    const chances: Chance[] = []
    const cut = (): boolean => at.interrupted.aborted || missed !== null
    const freeOf = (way: Name): number => (isFree(way, declaration) ? asked.freeRounds : 0)
    const all = asked.ways.reduce((sum, way) => sum + asked.roundsOf(way) + freeOf(way), 0)
    let begun = 0

    /** The NotShown that ended it; null: Ctrl-C has. */
    async function playRound(chosen: Chosen<Name, Does>): Promise<Outcome | NotShown | null> {
      play.begin({ way: chosen.name, free: chosen.free })
      asked.begins({ way: chosen.name, round: (begun += 1), rounds: all })
      try {
        return await unlessInterrupted(declaration.round(chosen, scene, play.stage), at.interrupted)
      } catch (error) {
        if (error instanceof NotShown) return error
        // Ctrl-C ends the parts, so that what the round waits for does not come.
        if (!at.interrupted.aborted) throw error
        return null
      }
    }

    async function leaveToChance(way: Name): Promise<void> {
      const outcomes: Outcome[] = []
      const { does } = declaration.ways[way]
      for (let round = 0; round < freeOf(way) && !cut(); round += 1) {
        const outcome = await playRound({ name: way, does, round, free: true })
        if (outcome !== null && !(outcome instanceof NotShown)) outcomes.push(outcome)
      }
      if (outcomes.length > 0) chances.push(chanceOf(way, declaration.claims[way], outcomes))
    }

    for (const way of asked.ways) {
      const { does, sabotage } = declaration.ways[way]
      for (let round = 0; round < asked.roundsOf(way) && !cut(); round += 1) {
        const outcome = await playRound({
          name: way,
          does: asked.sabotage === way ? sabotage : does,
          round,
          free: false,
        })
        if (outcome instanceof NotShown) missed = notShown(way, outcome)
        else if (outcome !== null) {
          const acts = play.stage.acts()
          const played = { way, outcome, acts, exposed: exposureOf(acts, declaration.danger).exposed }
          rounds.push(played)
          say(...showRound(declaration, played, round === 0))
        }
      }
      await leaveToChance(way)
    }

    const of = (way: string): readonly Round<Outcome>[] => rounds.filter(round => round.way === way)
    const outcomes = (way: Name): readonly Outcome[] => of(way).map(({ outcome }) => outcome)
    const told = waysTold(declaration, { ways: asked.ways, of, chances })
    if (rounds.length > 0) say(...showComparison(told))
    const texts = cut() ? [] : declaration.lessons(outcomes)
    if (texts.length > 0) say(...paragraphs('What to learn', texts))
    const judged = asked.ways.flatMap(way => judgeWay(way, declaration.claims[way], of(way)))
    const findings = missed === null ? judged : [missed]
    const interrupted = at.interrupted.aborted
    const kinds = new Set(asked.ways.map(way => isBroken(declaration.claims[way])))
    return {
      passed: !interrupted && findings.length > 0 && findings.every(({ holds }) => holds),
      findings: interrupted ? [] : findings,
      compared: kinds.size > 1,
      sabotage: asked.sabotage,
      interruptedBy: at.interruptedBy(),
      account: { ...told, conditions: play.conditions(), lessons: texts },
      figures: {
        settings: publicly(asked.settings),
        conditions: play.conditions(),
        rounds: rounds.map(({ way, outcome, exposed }) => ({ way, ...outcome, exposed })),
        ...(chances.length > 0 ? { chances } : {}),
        lessons: texts,
      },
    }
  })
}

/** Ctrl-C ends the parts of a round, and with them the round; one that goes on all the same is given up. */
function unlessInterrupted<Answer>(round: Promise<Answer>, interrupted: AbortSignal): Promise<Answer> {
  const over = new AbortController()
  const given = new Promise<never>((_resolve, reject) => {
    const giveUp = (): void => void systemClock.after(GRACE_MS, () => reject(new NotShown('The round was given up.')))
    if (interrupted.aborted) giveUp()
    else interrupted.addEventListener('abort', giveUp, { signal: over.signal })
  })
  return Promise.race([round, given]).finally(() => over.abort())
}

function notShown(way: string, error: NotShown): Finding {
  return { claim: `${way}: what had to be seen was seen`, holds: false, found: `not shown: ${error.message}` }
}

/** Settings hold texts, numbers, lists of texts and null. */
function publicly(settings: object): Message {
  const hidden = (_name: string, value: unknown): unknown =>
    typeof value === 'string' ? withoutPassword(value) : value
  const shown: unknown = JSON.parse(JSON.stringify(settings, hidden))
  return isMessage(shown) ? shown : {}
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
