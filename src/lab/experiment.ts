/**
 * What an experiment is. Each is one file in experiments/: a question, the ways to answer it, and a run that sets real
 * processes to work, judges what came out, and says what to learn. The rest of this folder is what they share.
 */
import type { Fields } from '../base/decode.ts'
import type { Finding } from './judge.ts'
import type { Message } from './wire.ts'
import type { Crew } from './workers.ts'

export interface Experiment {
  readonly name: string
  readonly question: string
  /** The text that the experiment comes from: title and author. */
  readonly source: string
  readonly options: readonly OptionSpec[]
  /** @throws ConfigurationError  an option is wrong */
  run(given: Given, stage: Stage): Promise<Outcome>
  /** What its worker processes do, where it has any. */
  readonly worker?: WorkerPart
}

export interface OptionSpec {
  /** As commander writes it: `--workers <n>`. */
  readonly flags: string
  readonly description: string
  readonly default?: string
  /** Not shown in the help: for the tests that prove that the experiment can fail. */
  readonly hidden?: boolean
}

/** The options as typed, by their camelCase names; the experiment checks them itself. */
export type Given = Readonly<Record<string, unknown>>

/** What a run may use; all of it is taken down afterwards, also after Ctrl-C. */
export interface Stage {
  /** A fresh directory, removed with everything in it. */
  readonly directory: string
  /** Aborts at Ctrl-C or SIGTERM: end the round, print what there is. */
  readonly interrupted: AbortSignal
  /** A line for the reader. Nothing is printed under --json. */
  say(...lines: readonly string[]): void
  /** Starts so many worker processes of this experiment, each with `config`. All are ready when it resolves. */
  workers(amount: number, config: Message): Promise<Crew>
}

export interface Outcome {
  readonly findings: readonly Finding[]
  /** What --json prints under the experiment's name, beside the findings. */
  readonly figures: Message
}

/** The half of an experiment that runs in the worker processes. */
export interface WorkerPart {
  open(config: Fields, index: number): Promise<Performer>
}

export interface Performer {
  /** One order of the parent's. Settles when it is done, or soon after `turn.signal` aborts. */
  perform(order: Fields, turn: Turn): Promise<void>
  close(): Promise<void>
}

export interface Turn {
  /** When all begin, on the host's clock. */
  readonly startAt: number
  /** Aborts when the parent wants the turn to end early. */
  readonly signal: AbortSignal
  /** Sends a measurement to the parent at once, so that Ctrl-C loses none. */
  report(body: Message): void
}
