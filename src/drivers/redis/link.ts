/**
 * What the clients that people have are brought to: a link sends commands, and opens connections of its own that hear.
 *
 * Such a connection never reconnects by itself, so that whoever owns it knows of every moment in which a message may
 * have been missed.
 */
import { systemClock } from '../../base/clock.ts'
import type { Ear } from '../shared/subscription.ts'

/** ready: a command is sent now. opening: it soon will be. down: not connected, and not known to be connecting. */
export type LinkState = 'ready' | 'opening' | 'down'

export interface Link {
  /** What the client itself puts before every key. */
  readonly keyPrefix: string
  readonly cluster: boolean
  state(): LinkState
  /** Resolves when ready, rejects when it did not come to that. */
  opened(): Promise<void>
  send(command: string, args: readonly string[], key: string | undefined): Promise<unknown>
  /** One for each server that holds keys. */
  masters(): Promise<readonly Link[]>
  /** Subscribes, by a connection of its own; rejects if that was not done in time. */
  hear(channel: Channel, timeoutMs: number): Promise<Ear>
  close(): void
}

export interface Channel {
  readonly name: string
  message(text: string): void
  /** Messages may be missed from now on. */
  ended(): void
}

export interface Events {
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

const links = new WeakMap<object, Link>()

/** One link a client, so that stores that share a client do not each add a listener. */
export function oneLink(client: object, make: () => Link): Link {
  const link = links.get(client) ?? make()
  links.set(client, link)
  return link
}

/** Resolves at the first of the `good` events, rejects at the first of the `bad`. */
export function next(client: Events, good: readonly string[], bad: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      for (const event of good) client.off(event, pass)
      for (const event of bad) client.off(event, fail)
      act()
    }
    const pass = (): void => settle(resolve)
    const fail = (cause?: unknown): void =>
      settle(() => reject(cause instanceof Error ? cause : new Error('the connection was closed')))
    for (const event of good) client.on(event, pass)
    for (const event of bad) client.on(event, fail)
  })
}

export function anyOf(nodes: readonly object[]): object {
  const node = nodes[Math.floor(systemClock.random() * nodes.length)]
  if (node === undefined) throw new Error('no master of the cluster is known')
  return node
}

/** The calls that fail tell it; an event tells it to nobody a second time. */
export function ignore(): void {}
