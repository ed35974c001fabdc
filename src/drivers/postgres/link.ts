/**
 * What the client packages are brought to: a wire carries one statement at a time, and a link is the line before it.
 *
 * The line is ours and not the client's, so that it is known what was sent, what nobody waits for any more is never
 * sent, and renewals and leaves do not stand behind a crowd that wants in.
 */
import { systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Ear } from '../shared/subscription.ts'
import { quoted } from './names.ts'

export type Value = string | number | boolean | Buffer | null

export interface Call {
  /** By which the server may know it, once it is prepared. */
  readonly name?: string
  readonly text: string
  readonly values: readonly Value[]
  /** Before all that is not: somebody loses a lease, or waits for one. */
  readonly urgent?: boolean
}

/** What is heard from a wire. */
export interface Ears {
  notified(channel: string, message: string): void
  /** It is of no use any more. */
  ended(): void
}

/** One connection to a server, by whichever package. It never reconnects. */
export interface Wire {
  /** Of the backend that the login came to, as the client was told. */
  readonly pid: number
  /** The first column of each row. `prepared`: the server may keep the statement for the next time. */
  send(call: Call, options: { readonly prepared: boolean }): Promise<readonly string[]>
  /** Of many statements at once, without an answer. */
  script(text: string): Promise<void>
  close(): void
}

export interface Link {
  /**
   * True: whoever answers is whom we logged in at. False: a pooler lies in between, so there may be another backend for
   * each transaction: nothing can be listened to, and nothing be prepared.
   */
  readonly direct: boolean
  readonly ready: boolean
  ask(call: Call, timeoutMs: number): Promise<readonly string[]>
  script(text: string): Promise<void>
  /** Listens, and has proved by a message to itself that it hears. */
  hear(channel: Channel, timeoutMs: number): Promise<Ear>
  end(): void
}

export interface Channel {
  readonly name: string
  message(text: string): void
  /** Messages may be missed from now on. */
  ended(): void
}

interface Waiting {
  readonly call: Call
  readonly until: number
  resolve(rows: readonly string[]): void
  reject(cause: unknown): void
}

const PROOF = 'heard'
const PING: Call = { text: 'SELECT 1', values: [], urgent: true }
const PING_MS = 5_000

export interface Hub extends Ears {
  readonly link: (wire: Wire, direct: boolean) => Link
}

/** The ears of a wire that is about to be opened, and the link that it becomes. */
export function createHub(): Hub {
  const urgent: Waiting[] = []
  const others: Waiting[] = []
  const channels = new Set<Channel>()
  let busy = false
  let dead = false

  function ended(): void {
    dead = true
    for (const channel of [...channels]) channel.ended()
    for (const { reject } of [...urgent.splice(0), ...others.splice(0)]) reject(notSent())
  }

  function next(wire: Wire, prepared: boolean): void {
    while (!busy) {
      const first = urgent.shift() ?? others.shift()
      if (first === undefined) return
      if (first.until <= systemClock.now()) {
        first.reject(notSent())
        continue
      }
      busy = true
      const done = (): void => {
        busy = false
        next(wire, prepared)
      }
      wire.send(first.call, { prepared }).then(first.resolve, first.reject).finally(done)
    }
  }

  function link(wire: Wire, direct: boolean): Link {
    const ask = (call: Call, timeoutMs: number): Promise<readonly string[]> =>
      new Promise((resolve, reject) => {
        if (dead) return reject(notSent())
        const line = call.urgent === true ? urgent : others
        line.push({ call, until: systemClock.now() + timeoutMs, resolve, reject })
        next(wire, direct)
      })
    return {
      direct,
      get ready() {
        return !dead
      },
      ask,
      script: text => wire.script(text),
      async hear(channel, timeoutMs) {
        let heard = false
        const told = (text: string): void => {
          if (text === PROOF) heard = true
          else channel.message(text)
        }
        const here: Channel = { ...channel, message: told }
        channels.add(here)
        const close = (): void => void channels.delete(here)
        try {
          await ask({ text: `LISTEN ${quoted(channel.name)}`, values: [] }, timeoutMs)
          await ask({ text: 'SELECT pg_catalog.pg_notify($1, $2)', values: [channel.name, PROOF] }, timeoutMs)
          if (!heard) throw new Error('the server did not tell what it was told to')
        } catch (cause) {
          close()
          throw cause
        }
        return { ping: () => ask(PING, PING_MS), close }
      },
      end() {
        if (dead) return
        wire.close()
        ended()
      },
    }
  }

  return {
    notified(name, message) {
      for (const channel of channels) if (channel.name === name) channel.message(message)
    },
    ended: () => {
      if (!dead) ended()
    },
    link,
  }
}

function notSent(): StoreUnavailableError {
  return new StoreUnavailableError('The connection ended before the statement was sent.', { ambiguous: false })
}
