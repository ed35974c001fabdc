/** Who waits in this process is told directly: all its stores on one file meet here. */
import type { News } from '../../store/record-store.ts'

export interface Bulletin {
  readonly namespace: string
  readonly key: string
  readonly news: News
}

const hub = new Map<string, Set<(bulletin: Bulletin) => void>>()

/** Tells all stores of this process on that file. */
export function publish(identity: string, bulletin: Bulletin): void {
  for (const subscriber of hub.get(identity) ?? []) subscriber(bulletin)
}

/** @returns how to stop */
export function subscribe(identity: string, subscriber: (bulletin: Bulletin) => void): () => void {
  const subscribers = hub.get(identity) ?? new Set()
  hub.set(identity, subscribers.add(subscriber))
  return () => {
    subscribers.delete(subscriber)
    if (subscribers.size === 0) hub.delete(identity)
  }
}
