/**
 * Real processes for an experiment, seen from the parent. It forks them, opens all, and has them play their parts; what
 * they do comes back act by act, at once, so that nothing is lost when a round is cut short. Nothing here sleeps until
 * something has probably happened: the experiment waits for acts, and workers wait at their gates.
 *
 * Workers outlive nothing: they leave when told, when the channel to the parent breaks, and at the latest by SIGKILL.
 * Until then an experiment may pause, resume or kill them.
 */
import { fork } from 'node:child_process'
import { sleep, systemClock } from '../base/clock.ts'
import { record, oneOf, text } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import { humanMs } from '../base/duration.ts'
import { ConfigurationError, StoreUnavailableError, UnsupportedError } from '../base/errors.ts'
import { decodeAct } from './acts.ts'
import type { Act } from './acts.ts'
import type { Played, Worker } from './declaration.ts'
import { hurtable } from '../servers/child.ts'
import { hostNow } from './host-time.ts'
import type { Message } from './wire.ts'

/** A worker that has not ended so long after it was told to is killed. */
const GRACE_MS = 3_000
const OPEN_MS = 30_000
/** What had to be seen did not come: nothing was shown, neither that a way holds nor that it does not. */
export class NotShown extends Error {
  override readonly name = 'NotShown'
}

export interface Member extends Worker {
  /** @throws ConfigurationError | StoreUnavailableError | UnsupportedError  what it met while it opened */
  open(request: Message): Promise<void>
  /** Ends the current part early. */
  stop(): void
  end(): Promise<void>
}

export interface MemberOptions {
  /** The current round. */
  readonly round: () => { readonly way: string; readonly free: boolean; readonly key: string }
  /** The longest that what must be seen may take. */
  readonly patienceMs: number
  /** Every act, as it arrives. */
  readonly record: (act: Act) => void
}

export function startWorker(name: string, options: MemberOptions): Member {
  const channel = fork(new URL('./worker.js', import.meta.url), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const child = hurtable(channel)
  let current: Asked | null = null

  function settle(error?: Error): void {
    const asked = current
    current = null
    if (error === undefined) asked?.resolve()
    else asked?.reject(error)
  }
  channel.on('message', message => {
    try {
      const reply = record(message, `The message of ${name}`)
      const kind = oneOf(reply, 'kind', ['act', 'done', 'failed'])
      if (kind !== 'act') return settle(kind === 'done' ? undefined : revive(reply, name))
      const act = decodeAct(name, record(reply['body'], 'body'))
      options.record(act)
      current?.hear(act)
    } catch (error) {
      settle(error instanceof Error ? error : new Error(String(error)))
    }
  })
  // Without a listener a message to a process that has just died would end the parent.
  channel.on('error', error => settle(new Error(`${name} could not be reached: ${error.message}`, { cause: error })))
  channel.once('exit', () => settle())

  function send(message: Message): void {
    if (channel.connected) channel.send(message)
  }

  function ask(request: Message, withinMs: number, hear: (act: Act) => void = () => {}): Promise<void> {
    if (!child.running()) return Promise.reject(new Error(`${name} has ended already.`))
    const asked = new Promise<void>((resolve, reject) => {
      current = { resolve, reject, hear }
      send(request)
    })
    return limited(asked, withinMs, `${name} did not finish within ${humanMs(withinMs)} (--patience).`)
  }

  return {
    name,
    child,
    open: request => ask({ ...request, kind: 'open', name }, OPEN_MS),
    play(part, order = {}, { startAt = hostNow(), withinMs = options.patienceMs } = {}) {
      const heard = hearing(name, options.patienceMs)
      const request = { kind: 'play', part, order, startAt, ...options.round() }
      const done = ask(request, withinMs, heard.hear)
      // Whoever waits for it is told; but the round may fail before it comes to that.
      done.then(() => heard.end(null), heard.end)
      return { until: heard.until, pass: () => send({ kind: 'pass' }), done }
    },
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

interface Asked {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  readonly hear: (act: Act) => void
}

/** The acts of one part, and who waits for which. */
function hearing(
  name: string,
  patienceMs: number,
): {
  readonly hear: (act: Act) => void
  /** `failure`: why it did not come to its end. */
  readonly end: (failure: unknown) => void
  readonly until: Played['until']
} {
  const acts: Act[] = []
  let ended: { readonly failure: unknown } | null = null
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const look of waiting) look()
  }
  return {
    hear(act) {
      acts.push(act)
      wake()
    },
    end(failure) {
      ended = { failure }
      wake()
    },
    until(...types) {
      const those = types.map(type => `"${type}"`).join(' or ')
      const seen = new Promise<Act>((resolve, reject) => {
        const look = (): void => {
          const act = acts.find(({ type }) => types.includes(type))
          if (act !== undefined) resolve(act)
          else if (ended !== null) reject(ended.failure ?? new NotShown(`"${name}" ended its part without ${those}.`))
          else return
          waiting.delete(look)
        }
        waiting.add(look)
        look()
      })
      return limited(seen, patienceMs, `"${name}" did not come to ${those} within ${humanMs(patienceMs)} (--patience).`)
    },
  }
}

async function limited<Answer>(promise: Promise<Answer>, withinMs: number, otherwise: string): Promise<Answer> {
  const over = new AbortController()
  const late = sleep(systemClock, withinMs, { signal: over.signal }).then(() => {
    throw new NotShown(otherwise)
  })
  // It settles when the promise has; then nobody listens.
  late.catch(() => {})
  return Promise.race([promise, late]).finally(() => over.abort())
}

/** The worker's error under its own class, so that the command line answers with the right exit code. */
function revive(reply: Fields, name: string): Error {
  const message = `${name}: ${text(reply, 'message')}`
  const code = text(reply, 'code')
  if (code === 'HOLDFAST_CONFIGURATION') return new ConfigurationError(message)
  if (code === 'HOLDFAST_STORE_UNAVAILABLE') return new StoreUnavailableError(message)
  if (code === 'HOLDFAST_UNSUPPORTED') return new UnsupportedError(message)
  return new Error(message)
}
