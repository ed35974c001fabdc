/**
 * The store's pushes, to every client that listens: one subscription at the store, however many they are.
 *
 * A stream ends when its reader does not keep up, and when the server does: the client comes again and takes that for a
 * gap, so nothing is kept for it here.
 */
import type { ServerResponse } from 'node:http'
import { systemClock } from '../base/clock.ts'
import type { Timer } from '../base/clock.ts'
import { UnsupportedError } from '../base/errors.ts'
import type { Store, StoreListener } from '../store/contract.ts'
import { encodePush, HEARTBEAT_MS } from '../store/wire.ts'
import type { Push } from '../store/wire.ts'
import { namedBy } from './names.ts'

export interface Events {
  /** Answers with the stream. Rejects, nothing answered yet, if the store cannot be listened to. */
  open(response: ServerResponse): Promise<void>
  close(): Promise<void>
}

/** Who has so much unread is not reading. */
const MOST_UNREAD_BYTES = 1024 * 1024

export function createEvents(store: Store): Events {
  const streams = new Set<ServerResponse>()
  let listening: Promise<AsyncDisposable> | undefined
  let heartbeat: Timer | undefined

  const listener: StoreListener = {
    holds: (name, tokens) => tell({ event: 'holds', ...namedBy(name), tokens }),
    revoked: (name, token, reason) => tell({ event: 'revoked', ...namedBy(name), token, reason }),
    gap: () => tell({ event: 'gap' }),
  }

  function tell(push: Push): void {
    send(encodePush(push))
  }

  function send(text: string): void {
    for (const stream of streams) {
      if (stream.writableLength > MOST_UNREAD_BYTES) stream.destroy()
      else stream.write(text)
    }
  }

  function beat(): void {
    heartbeat = systemClock.after(HEARTBEAT_MS, beat, { idle: true })
    send(':\n\n')
  }

  async function listen(): Promise<void> {
    if (store.listen === undefined)
      throw new UnsupportedError(`${store.traits.name} does not push: ask again after retryMs.`)
    listening ??= store.listen(listener)
    try {
      await listening
    } catch (cause) {
      listening = undefined
      throw cause
    }
  }

  return {
    async open(response) {
      await listen()
      if (response.destroyed) return
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      streams.add(response)
      response.on('close', () => void streams.delete(response))
      response.write(encodePush({ event: 'ready' }))
      if (heartbeat === undefined) beat()
    },
    async close() {
      heartbeat?.cancel()
      for (const stream of streams) stream.end()
      const subscription = await listening?.catch(() => undefined)
      await subscription?.[Symbol.asyncDispose]()
    },
  }
}
