/**
 * Steps of one turn of the event loop, sent together: one command, one write, one reading of the clock and one reply
 * for all, however many tasks enter and leave. The first of a turn goes out at once, since a single task waits for it.
 *
 * Each step fails alone, and has its own deadline. Those who leave and those who enter have a command each: a server
 * whose memory is full lets a script grow that has removed something before, and whoever leaves must not make room for
 * others that way. A cluster takes one key a call.
 */
import { within } from '../../base/deadline.ts'
import { ConfigurationError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import type { RedisConnection, RedisScript } from './connection.ts'
import { failure } from './failures.ts'
import { FAILED, SEPARATOR } from './statements.ts'

export interface Step<T> {
  readonly key: string
  readonly id: string
  /** What it says besides; told once where several steps say the same. */
  readonly words: readonly string[]
  readonly read: (answer: string) => T
}

export interface Steps<T> {
  run(step: Step<T>, io: Io): Promise<T>
}

interface Waiting<T> extends Step<T> {
  readonly timeoutMs: number
  readonly resolve: (value: T) => void
  readonly reject: (cause: unknown) => void
}

/** More would keep the server waiting for the client, and then the client for the server. */
const MOST = 32

/** The turn of one connection: true while a step was sent in it. */
export interface Turn {
  begun: boolean
  readonly flush: Set<() => void>
}

export function createTurn(): Turn {
  return { begun: false, flush: new Set() }
}

/** `one`: the script of a single step. `many`: of several. */
export function createSteps<T>(
  connection: RedisConnection,
  { one, many, turn }: { readonly one: RedisScript; readonly many: RedisScript; readonly turn: Turn },
): Steps<T> {
  let waiting: Waiting<T>[] = []

  function alone({ key, id, words, read }: Step<T>, io: Io): Promise<T> {
    return connection.run({ script: one, keys: [key], args: [id, ...words], read }, io)
  }

  function flush(): void {
    const steps = waiting
    waiting = []
    const [first] = steps
    if (first === undefined) return
    if (steps.length === 1) return void alone(first, first).then(first.resolve, first.reject)
    const longestMs = Math.max(...steps.map(({ timeoutMs }) => timeoutMs))
    const call = { script: many, keys: steps.map(({ key }) => key), args: argumentsOf(steps), read: answersOf }
    const sent = connection.run(call, { timeoutMs: longestMs })
    for (const step of steps) if (step.timeoutMs < longestMs) expireEarlier(step, sent)
    sent.then(
      answers => {
        for (const [index, step] of steps.entries()) settle(step, answers[index] ?? '')
      },
      (cause: unknown) => {
        for (const step of steps) refuse(step, cause)
      },
    )
  }

  /** Refused before any of it was carried out, perhaps for the sake of one key that the user may not touch. */
  function refuse(step: Waiting<T>, cause: unknown): void {
    if (cause instanceof ConfigurationError) void alone(step, step).then(step.resolve, step.reject)
    else step.reject(cause)
  }

  function settle(step: Waiting<T>, answer: string): void {
    try {
      if (answer.startsWith(FAILED)) throw new Error(answer.slice(FAILED.length))
      step.resolve(step.read(answer))
    } catch (cause) {
      step.reject(failure(cause, connection.where, { sent: true }))
    }
  }

  function expireEarlier(step: Waiting<T>, sent: Promise<unknown>): void {
    const late = (): never => {
      throw connection.late(step.timeoutMs)
    }
    within(sent, { timeoutMs: step.timeoutMs, late }).catch(step.reject)
  }

  turn.flush.add(flush)
  return {
    run(step, io) {
      if (connection.cluster || io.signal !== undefined) return alone(step, io)
      if (!turn.begun) {
        turn.begun = true
        process.nextTick(end, turn)
        return alone(step, io)
      }
      return new Promise<T>((resolve, reject) => {
        const { key, id, words, read } = step
        waiting.push({ key, id, words, read, timeoutMs: io.timeoutMs, resolve, reject })
        if (waiting.length === MOST) flush()
      })
    },
  }
}

function end(turn: Turn): void {
  turn.begun = false
  for (const flush of turn.flush) flush()
}

function argumentsOf<T>(steps: readonly Waiting<T>[]): readonly string[] {
  const kinds = new Map<string, number>()
  const words: string[] = []
  const asked: string[] = []
  for (const step of steps) {
    const name = step.words.join(' ')
    let kind = kinds.get(name)
    if (kind === undefined) {
      kind = kinds.size + 1
      kinds.set(name, kind)
      words.push(String(step.words.length), ...step.words)
    }
    asked.push(step.id + String(kind))
  }
  return [String(kinds.size), ...words, ...asked]
}

function answersOf(answer: string): readonly string[] {
  return answer.split(SEPARATOR)
}
