/**
 * Events: to the listeners of these locks, and to the diagnostics channels `holdfast:<type>` for telemetry that
 * subscribes to the process. Whoever emits asks `wants` first where an event would cost a call or a loop.
 *
 * `fenced` and `stale` are told by those who write, and these belong to no locks: they come by the channels, to the
 * listeners of all locks of the process.
 */
import { channel } from 'node:diagnostics_channel'
import { ConfigurationError } from '../base/errors.ts'
import { instead } from '../base/options.ts'
import type { LockEvent } from './types.ts'

export type Listener<E extends LockEvent['type']> = (event: Extract<LockEvent, { type: E }>) => void

export interface Events {
  wants(type: LockEvent['type']): boolean
  emit(event: LockEvent): void
  /** @throws ConfigurationError  there is no such event */
  on<E extends LockEvent['type']>(type: E, listener: Listener<E>): () => void
  /** Every event; the journal. */
  all(listener: (event: LockEvent) => void): () => void
  /** Hears no more of what others in the process do. */
  close(): void
}

type WriteEvent = Extract<LockEvent, { readonly type: 'fenced' | 'stale' }>
const OF_WRITES = ['fenced', 'stale'] as const

/** All there are. */
export const EVENT_TYPES = [
  'waiting',
  'acquired',
  'timed-out',
  'renewed',
  'suspect',
  'released',
  'lost',
  'revoked',
  'fenced',
  'stale',
  'store-error',
  'stalled',
  'ttl-at-risk',
] as const
const channels = new Map(EVENT_TYPES.map(type => [type, channel(`holdfast:${type}`)]))

/** To those who subscribed to the process's diagnostics channels. */
export function publish(event: LockEvent): void {
  const target = channels.get(event.type)
  if (target?.hasSubscribers === true) target.publish(event)
}

export function createEvents(): Events {
  const listeners = new Map<string, Set<(event: LockEvent) => void>>()
  let closed = false

  function add(type: string, listener: (event: LockEvent) => void): () => void {
    const set = listeners.get(type) ?? new Set()
    listeners.set(type, set.add(listener))
    listenToWrites()
    return () => {
      set.delete(listener)
      if (set.size === 0 && listeners.get(type) === set) listeners.delete(type)
      listenToWrites()
    }
  }

  function listenToWrites(): void {
    for (const type of OF_WRITES) {
      const target = channels.get(type)
      target?.unsubscribe(heard)
      if (!closed && (listeners.has(type) || listeners.has('*'))) target?.subscribe(heard)
    }
  }

  const heard = (message: unknown): void => {
    if (isWrite(message)) tell(message)
  }

  function tell(event: LockEvent): void {
    for (const listener of [...(listeners.get(event.type) ?? []), ...(listeners.get('*') ?? [])])
      guarded(listener, event)
  }

  return {
    wants: type => listeners.has(type) || listeners.has('*') || channels.get(type)?.hasSubscribers === true,
    emit(event) {
      publish(event)
      if (listeners.size > 0) tell(event)
    },
    on(type, listener) {
      if (!EVENT_TYPES.includes(type))
        throw new ConfigurationError(`There is no event "${String(type)}"${instead(String(type), EVENT_TYPES)}`)
      if (typeof listener !== 'function')
        throw new ConfigurationError(`on("${type}") needs a listener: a function that is called with the event.`)
      return add(type, event => isOf(event, type) && listener(event))
    },
    all: listener => add('*', listener),
    close() {
      closed = true
      listenToWrites()
    },
  }
}

/** Anybody may publish to a channel of the process. */
function isWrite(message: unknown): message is WriteEvent {
  if (typeof message !== 'object' || message === null) return false
  const { type, resource, token, newest }: Partial<Record<string, unknown>> = { ...message }
  const known = OF_WRITES.some(one => one === type)
  return known && typeof resource === 'string' && typeof token === 'number' && typeof newest === 'number'
}

function isOf<E extends LockEvent['type']>(event: LockEvent, type: E): event is Extract<LockEvent, { type: E }> {
  return event.type === type
}

/** A listener's exception is the listener's: it is shown as a warning and never reaches the lock. */
function guarded(listener: (event: LockEvent) => void, event: LockEvent): void {
  try {
    listener(event)
  } catch (error) {
    process.emitWarning(
      `A listener of holdfast's event "${event.type}" threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      'HoldfastWarning',
    )
  }
}
