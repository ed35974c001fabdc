/**
 * Real processes for an experiment. The parent forks them, opens all, and gives orders; an order begins for all at one
 * instant of the host's clock (the barrier), and everything measured comes back at once, so that nothing is lost when
 * the round is cut short. Messages are checked on arrival field by field.
 *
 * Workers outlive nothing: they leave when told, when the channel to the parent breaks, and at the latest by SIGKILL.
 * Until then an experiment may pause, resume or kill them (servers/child.ts).
 */
import { fork } from 'node:child_process'
import { sleep, systemClock } from '../base/clock.ts'
import { ConfigurationError, StoreUnavailableError } from '../base/errors.ts'
import { oneOf, record, text } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import { hurtable } from '../servers/child.ts'
import type { Child } from '../servers/child.ts'
import { hostNow } from './host-time.ts'
import type { Message } from './wire.ts'

/** From the order to the common start: long enough for the message to reach every worker of a busy machine. */
const BARRIER_MS = 100
/** A worker that has not ended so long after it was told to is killed. */
const GRACE_MS = 3_000

export interface Performance {
  /** Called for every measurement, in the order of arrival. */
  readonly report?: (body: Fields, index: number) => void
  /** A worker that is silent for longer than the order can take is a defect: the performance fails. */
  readonly withinMs: number
}

export interface Member {
  readonly index: number
  /** The process, to be hurt. */
  readonly child: Child
  /** One order for this worker alone, from `startAt` (default: as soon as the barrier allows). */
  perform(order: Message, performance: Performance, startAt?: number): Promise<void>
  /** Ends the current order early. */
  stop(): void
  end(): Promise<void>
}

export interface Crew {
  readonly members: readonly Member[]
  /** The same order for all, begun together. Resolves when all have done it; on `signal` they end it early. */
  perform(order: Message, performance: Performance, signal?: AbortSignal): Promise<void>
  end(): Promise<void>
}

/** @throws ConfigurationError | StoreUnavailableError  what a worker met while it opened its store or its data */
export async function startCrew(experiment: string, amount: number, config: Message): Promise<Crew> {
  const members = Array.from({ length: amount }, (_, index) => startMember(index))
  const end = async (): Promise<void> => {
    await Promise.all(members.map(member => member.end()))
  }
  try {
    await Promise.all(
      members.map((member, index) => member.ask({ kind: 'open', experiment, index, config }, { withinMs: 30_000 })),
    )
  } catch (error) {
    await end()
    throw error
  }
  return {
    members,
    end,
    async perform(order, performance, signal) {
      const startAt = hostNow() + BARRIER_MS
      const stop = (): void => {
        for (const member of members) member.stop()
      }
      signal?.addEventListener('abort', stop)
      try {
        const performed = members.map(member => member.perform(order, performance, startAt))
        if (signal?.aborted === true) stop()
        await Promise.all(performed)
      } finally {
        signal?.removeEventListener('abort', stop)
      }
    },
  }
}

interface Asking extends Member {
  ask(request: Message, performance: Performance): Promise<void>
}

interface Pending {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  readonly report: (body: Fields, index: number) => void
}

function startMember(index: number): Asking {
  const channel = fork(new URL('./worker.js', import.meta.url), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const child = hurtable(channel)
  const name = `worker ${index + 1}`
  let pending: Pending | null = null

  function settle(error?: Error): void {
    const current = pending
    pending = null
    if (error === undefined) current?.resolve()
    else current?.reject(error)
  }

  channel.on('message', message => {
    try {
      const reply = record(message, `The message of ${name}`)
      const kind = oneOf(reply, 'kind', ['report', 'done', 'failed'])
      if (kind === 'report') pending?.report(record(reply['body'], 'body'), index)
      else settle(kind === 'done' ? undefined : revive(reply, name))
    } catch (error) {
      settle(error instanceof Error ? error : new Error(String(error)))
    }
  })
  // Without a listener a message to a process that has just died would end the parent.
  channel.on('error', error => settle(new Error(`${name} could not be reached: ${error.message}`, { cause: error })))
  channel.once('exit', (code, signal) =>
    settle(new Error(`${name} ended before it was told to (${signal ?? `exit code ${code}`}).`)),
  )

  function send(message: Message): void {
    if (channel.connected) channel.send(message)
  }

  function ask(request: Message, performance: Performance): Promise<void> {
    if (!child.running()) return Promise.reject(new Error(`${name} has ended already.`))
    const silence = new AbortController()
    return new Promise<void>((resolve, reject) => {
      pending = { resolve, reject, report: performance.report ?? (() => {}) }
      send(request)
      sleep(systemClock, performance.withinMs, { signal: silence.signal }).then(() => {
        if (!silence.signal.aborted) settle(new Error(`${name} did not finish within ${performance.withinMs} ms.`))
      }, reject)
    }).finally(() => silence.abort())
  }

  return {
    index,
    child,
    ask,
    perform: (order, performance, startAt = hostNow() + BARRIER_MS) =>
      ask({ kind: 'perform', order, startAt }, performance),
    stop: () => send({ kind: 'stop' }),
    async end() {
      child.resume()
      send({ kind: 'close' })
      const timer = systemClock.after(GRACE_MS, () => void child.kill())
      await child.exited
      timer.cancel()
    },
  }
}

/** The worker's error under its own class, so that the command line answers with the right exit code. */
function revive(reply: Fields, name: string): Error {
  const message = `${name}: ${text(reply, 'message')}`
  const code = text(reply, 'code')
  if (code === 'HOLDFAST_CONFIGURATION') return new ConfigurationError(message)
  if (code === 'HOLDFAST_STORE_UNAVAILABLE') return new StoreUnavailableError(message)
  return new Error(message)
}
