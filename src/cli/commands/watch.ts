/**
 * `holdfast watch`: who takes and gives back which locks, line by line, until Ctrl-C.
 *
 * It asks the store again and again, since not every store can tell of changes that do not concern oneself: what comes
 * and goes between two looks is not seen.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import { humanMs, milliseconds } from '../../base/duration.ts'
import type { Duration } from '../../base/duration.ts'
import type { LockView, TicketView } from '../../store/contract.ts'
import { EXIT, messageOf } from '../exit.ts'
import { withStore } from '../store.ts'
import type { StoreOptions } from '../store.ts'
import { json, plain } from '../../base/text.ts'

export interface WatchOptions extends StoreOptions {
  readonly json?: boolean
  readonly interval?: Duration
}

export interface Change {
  readonly key: string
  readonly change: 'held' | 'waiting' | 'released' | 'gave-up'
  readonly holder: string
  readonly token: number
  /** How long it has been what it is, or was before it ended. */
  readonly sinceMs: number
}

const INTERVAL_MS = 500

export async function watch(prefix: string, options: WatchOptions): Promise<number> {
  const intervalMs =
    options.interval === undefined ? INTERVAL_MS : milliseconds(options.interval, '--interval', { min: 10 })
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort())
  return withStore(options, async locks => {
    let before: readonly LockView[] = []
    let failing = false
    while (!stopping.signal.aborted) {
      try {
        const now: LockView[] = []
        for await (const view of locks.list(prefix)) now.push(view)
        for (const change of changes(before, now)) print(change, options)
        before = now
        failing = false
      } catch (error) {
        if (!failing) process.stderr.write(`holdfast: ${messageOf(error)} Still watching.\n`)
        failing = true
      }
      await sleep(systemClock, intervalMs, { signal: stopping.signal })
    }
    return EXIT.ok
  })
}

/** What happened between two looks, in the order of the keys; of one key first who went, then who came. */
export function changes(before: readonly LockView[], now: readonly LockView[]): readonly Change[] {
  const keys = [...new Set([...before, ...now].map(view => view.key))].toSorted()
  return keys.flatMap(key => {
    const was = placesOf(before.find(view => view.key === key))
    const is = placesOf(now.find(view => view.key === key))
    const gone = [...was.values()]
      .filter(({ ticket }) => !is.has(nameOf(ticket)))
      .map(({ ticket, held }) => changeOf(key, held ? 'released' : 'gave-up', ticket))
    const come = [...is.values()]
      .filter(({ ticket, held }) => was.get(nameOf(ticket))?.held !== held)
      .map(({ ticket, held }) => changeOf(key, held ? 'held' : 'waiting', ticket))
    return [...gone, ...come]
  })
}

function placesOf(
  view: LockView | undefined,
): ReadonlyMap<string, { readonly ticket: TicketView; readonly held: boolean }> {
  const places = new Map<string, { readonly ticket: TicketView; readonly held: boolean }>()
  for (const ticket of view?.waiters ?? []) places.set(nameOf(ticket), { ticket, held: false })
  for (const ticket of view?.holders ?? []) places.set(nameOf(ticket), { ticket, held: true })
  return places
}

/** The token alone would do where stores give one. */
function nameOf(ticket: TicketView): string {
  return `${ticket.token} ${ticket.holder}`
}

function changeOf(key: string, change: Change['change'], { holder, token, sinceMs }: TicketView): Change {
  return { key, change, holder, token, sinceMs }
}

function print(change: Change, options: WatchOptions): void {
  const at = new Date(systemClock.wall())
  if (options.json === true) {
    process.stdout.write(`${json({ at: at.toISOString(), ...change })}\n`)
    return
  }
  const time = at.toTimeString().slice(0, 8)
  const how = {
    held: 'is held by',
    waiting: 'is waited for by',
    released: 'is no longer held by',
    'gave-up': 'is no longer waited for by',
  }[change.change]
  const since = change.change === 'released' ? `, after ${humanMs(change.sinceMs)}` : ''
  process.stdout.write(`${time}  ${plain(change.key)} ${how} ${plain(change.holder)} (token ${change.token})${since}\n`)
}
