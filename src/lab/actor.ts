/**
 * A worker that plays a part: what it reports are acts, each with its instant, and the experiment waits for one of them
 * before it does the next thing to somebody. So the order of events is the experiment's, and no chance decides what a
 * run shows.
 */
import { number, text } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import type { Message } from './wire.ts'
import type { Member } from './workers.ts'

export interface Act {
  readonly type: string
  /** Milliseconds on the host's clock. */
  readonly at: number
  readonly fields: Fields
}

export interface Actor {
  readonly acts: readonly Act[]
  /** The first act of this type, now or when it comes. Rejects if the part ended without it. */
  until(type: string): Promise<Act>
  /** Settles with the part. */
  readonly played: Promise<void>
}

/** More than any part takes, on a machine that is busy with other things. */
const WITHIN_MS = 60_000

/** Gives the order, and listens. What the worker reports must have `type` and `at`. */
export function play(member: Member, order: Message): Actor {
  const acts: Act[] = []
  const waiting = new Map<string, (act: Act) => void>()
  const played = member.perform(order, {
    withinMs: WITHIN_MS,
    report(fields) {
      const act = { type: text(fields, 'type'), at: number(fields, 'at'), fields }
      acts.push(act)
      waiting.get(act.type)?.(act)
      waiting.delete(act.type)
    },
  })
  // Whoever waits for it is told; but the experiment may fail before it comes to that.
  played.catch(() => {})
  return {
    acts,
    played,
    until(type) {
      const before = acts.find(act => act.type === type)
      if (before !== undefined) return Promise.resolve(before)
      const ended = played.then(() => {
        throw new Error(`Worker ${member.index + 1} ended its part without "${type}".`)
      })
      return Promise.race([new Promise<Act>(resolve => waiting.set(type, resolve)), ended])
    },
  }
}
