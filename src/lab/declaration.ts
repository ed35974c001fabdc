/**
 * What an experiment is made of. One declaration that reads like the question it asks; how it is performed, judged,
 * drawn and told is the machinery's (perform.ts), and so are the rules that keep it from lying:
 *
 * - Each way names what it claims and what takes its repair out; neither can be forgotten, nor the danger window.
 * - A way that holds passes only if its rival asked inside the danger window, in every round.
 * - Nobody sleeps until something has probably happened: a worker stands at a gate until the experiment has seen it. A
 *   gate that times out is "not shown", and the run fails.
 */
import type { Fields } from '../base/decode.ts'
import type { Act, Telling } from './acts.ts'
import type { Child } from '../servers/child.ts'
import type { Locks, LocksOptions } from '../locks/types.ts'
import type { Store } from '../store/contract.ts'
import type { Danger } from './exposure.ts'
import type { Needs } from './needs.ts'
import type { Options, SettingsOf } from './options.ts'
import type { Message } from './wire.ts'

export interface Declaration<O extends Options, Scene, Name extends string, Does, Outcome extends Message> {
  readonly name: string
  readonly question: string
  /** The text that it comes from: title and author. */
  readonly source: string
  /** The sentence of the source that it puts to the test, word for word. */
  readonly says?: string
  /** About how long it takes with the options as they are, on a machine that is not busy. Default: a few seconds. */
  readonly takesS?: number
  /** What it cannot do without. Default: Node alone. */
  readonly needs?: Needs
  readonly options: O
  /** How many rounds each way has unless --rounds says otherwise; a function: so many, and there is no --rounds. */
  readonly rounds: number | ((way: Name) => number)
  readonly ways: Readonly<Record<Name, Way<Does>>>
  /**
   * Starts workers and whatever else the rounds share, and tells the conditions of the run. What is wrong with the
   * options, or missing on this machine, is thrown here, before a word was said.
   * @throws ConfigurationError | StoreUnavailableError | UnsupportedError
   */
  setup(stage: Stage<SettingsOf<O>>): Promise<Scene>
  /**
   * One round: who does what when, and what came of it, as a fresh reader finds it in the data. With `way.free` no gate
   * holds anybody: let all begin with `stage.together`, and leave the order to chance.
   */
  round(way: Chosen<Name, Does>, scene: Scene, stage: Stage<SettingsOf<O>>): Promise<Outcome>
  readonly danger: Danger
  /** The ways that go wrong, left to chance. Default: they are not. */
  readonly free?: Free<NoInfer<Name>>
  /** What the lanes say of the acts. */
  readonly telling: Telling
  /** The acts to draw, where a round has too many. None: no picture. */
  draw?(acts: readonly Act[]): readonly Act[]
  /** More lines about a round, such as a table of its own. */
  show?(outcome: NoInfer<Outcome>): readonly string[]
  /** The table of the ways side by side: each figure from the rounds of a way. */
  readonly columns: Readonly<Record<string, (outcomes: readonly Outcome[]) => number | string>>
  readonly claims: Readonly<Record<Name, Claims<NoInfer<Outcome>>>>
  /** What to learn, a paragraph each; computed from the figures, so that nothing is said which was not measured. */
  lessons(of: (way: Name) => readonly NoInfer<Outcome>[]): readonly string[]
  /** The half that runs in the worker processes: the parts that they can play. */
  worker?(site: Site<SettingsOf<O>>): Promise<Parts<Does>>
}

/**
 * Rounds without an arranged order, for the ways that go wrong: how often does it happen by itself? The figure stands
 * beside the arranged one and answers whether that is rigged. It is never judged.
 */
export interface Free<Name extends string> {
  /** What is left to chance, to end a sentence: "both begin at one instant". */
  readonly is: string
  /** How many for each way unless --free says otherwise. */
  readonly rounds: number
  /** Default: all that go wrong. */
  readonly ways?: readonly Name[]
}

/** At least one: a way that claims nothing is none. */
export type Claims<Outcome> = readonly [Claim<Outcome>, ...Claim<Outcome>[]]

export interface Way<Does> {
  /** In a few words. */
  readonly is: string
  /** What it does: whatever the experiment wants to know of a way. */
  readonly does: Does
  /** The same without its repair; for a way that goes wrong: with one. The named claims must then fail. */
  readonly sabotage: Does
}

/** The way of a round, sabotaged or not: the round does not know. */
export interface Chosen<Name extends string, Does> {
  readonly name: Name
  readonly does: Does
  /** Counts the rounds of this way, from 0. */
  readonly round: number
  /** Nobody arranges who comes first. */
  readonly free: boolean
}

export interface Round<Outcome> {
  readonly way: string
  readonly outcome: Outcome
  readonly acts: readonly Act[]
  /** In how many danger windows the rival asked. */
  readonly exposed: number
}

export interface Claim<Outcome> {
  readonly text: string
  /** shows: what goes wrong without a repair. Without such a claim a way must hold. */
  readonly shows: boolean
  holds(outcome: Outcome): boolean
  /** What was measured. Default: in how many rounds it was so. */
  found?(outcomes: readonly Outcome[]): string
}

/** A way that must show a problem. */
export function isBroken(claims: readonly Claim<never>[]): boolean {
  return claims.some(({ shows }) => shows)
}

/** What a run may use; all of it is taken down afterwards, also after Ctrl-C. */
export interface Stage<Settings> {
  readonly settings: Settings
  /** A fresh directory, removed with everything in it. */
  readonly directory: string
  /** A key of this round's own: what somebody who was killed has left behind is in nobody's way in the next. */
  readonly key: string
  /** Of all locks of the run; empty: none. */
  readonly namespace: string
  /** Aborts at Ctrl-C or SIGTERM. The workers are told without your doing. */
  readonly interrupted: AbortSignal
  /** What the run is done with, for the reader and for --json. Once, at the end of setup. */
  conditions(conditions: Readonly<Record<string, string>>): void
  /** Starts a worker process for each name. All are ready when it resolves; `place` is what they must know. */
  workers<const Names extends readonly string[]>(
    names: Names,
    place?: Message,
  ): Promise<{ readonly [Index in keyof Names]: Worker }>
  /** All begin at one instant of the host's clock; resolves when all have ended. */
  together(...parts: readonly (readonly [worker: Worker, part: string, order?: Message])[]): Promise<void>
  /** Closes it at the end of the run, the last first. */
  use<Thing extends Closable>(thing: Thing): Thing
  /** An act of something that is no worker. */
  act(who: string, type: string, fields?: Message): void
  /** The acts of this round so far. */
  acts(): readonly Act[]
}

export interface Closable {
  close(): Promise<void> | void
}

export interface Worker {
  readonly name: string
  /** The process, to be paused or killed. */
  readonly child: Child
  /** Has it play a part, from `startAt` on the host's clock (default: at once). */
  play(part: string, order?: Message, options?: { readonly startAt?: number; readonly withinMs?: number }): Played
}

/** A part that is being played. Waiting for it ends when it fails, or when Ctrl-C ends the round. */
export interface Played {
  /**
   * The first act of one of these types, now or when it comes. Its end is an act too, "ends".
   * @throws NotShown  it ended without, or took too long
   */
  until(...types: readonly string[]): Promise<Act>
  /** Lets it through its next gate, which it may not have reached yet. */
  pass(): void
  /** It has come to its end. */
  readonly done: Promise<void>
}

/** Parts by name. */
export type Parts<Does> = Readonly<Record<string, (turn: Turn<Does>) => Promise<void>>>

export interface OpenAs extends Pick<LocksOptions, 'fair'> {
  /** What the store is reached through. */
  readonly through?: (store: Store) => Store
}

/** Where a worker is. */
export interface Site<Settings> {
  readonly settings: Settings
  readonly name: string
  /** Of all locks of the run; those of `locks` have it already. */
  readonly namespace: string
  readonly place: Fields
  /** Locks of this worker, in its name and with its journal; closed at the end. */
  locks(store: string, options?: OpenAs): Promise<Locks>
  use<Thing extends Closable>(thing: Thing): Thing
}

export interface Turn<Does> {
  readonly way: Does
  /** That of the stage. */
  readonly key: string
  readonly order: Fields
  /** When it begins, for parts that begin together. */
  readonly startAt: number
  /** No gate holds anybody: the round is left to chance. */
  readonly free: boolean
  /** Aborts when the part is to end early. */
  readonly signal: AbortSignal
  /** Tells what it does, at the moment at which it does it. */
  act(type: string, fields?: Message): void
  /** Tells it, and goes no further until the experiment lets it pass; in a free round it goes on at once. */
  gate(type: string, fields?: Message): Promise<void>
}
