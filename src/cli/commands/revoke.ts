/** `holdfast revoke`: makes holders stop, and says by when their lock is free. */
import { sleep, systemClock } from '../../base/clock.ts'
import { humanMs } from '../../base/duration.ts'
import { normalKey } from '../../base/key.ts'
import { json, plain } from '../../base/text.ts'
import type { Locks } from '../../locks/types.ts'
import type { TicketView } from '../../store/contract.ts'
import { EXIT } from '../exit.ts'
import { withStore } from '../store.ts'
import type { StoreOptions } from '../store.ts'
import { print, REPORT_VERSION } from './print.ts'

export interface RevokeOptions extends StoreOptions {
  readonly json?: boolean
  readonly reason: string
  readonly token?: number
  readonly all?: boolean
  readonly now?: boolean
  readonly wait?: boolean
}

/** Nobody tells an onlooker that a lock has become free, so it looks again. */
const LOOK_MS = 250

export function revoke(key: string, options: RevokeOptions): Promise<number> {
  const normal = normalKey(key)
  const { reason, token, all, now = false } = options
  return withStore(options, async locks => {
    const revoked = await locks.revoke(normal, { reason, now, tickets: token ?? (all === true ? 'all' : 'holders') })
    const left = await stillThere(locks, normal, token)
    const freeInMs = Math.max(0, ...left.map(({ leftMs }) => leftMs))
    if (options.json === true) print(json({ version: REPORT_VERSION, key: normal, revoked, freeInMs }))
    else print(revoked === 0 ? nobody(normal) : `revoked ${revoked} of "${plain(normal)}"${byWhen(freeInMs)}`)
    if (options.wait !== true || left.length === 0) return EXIT.ok
    while ((await stillThere(locks, normal, token)).length > 0) await sleep(systemClock, LOOK_MS)
    if (options.json !== true) print('it has stopped')
    return EXIT.ok
  })
}

/** Revoked, and not gone yet. */
async function stillThere(locks: Locks, key: string, token: number | undefined): Promise<readonly TicketView[]> {
  const holders = (await locks.inspect(key))?.holders ?? []
  const isMeant = (ticket: TicketView): boolean =>
    token === undefined || (ticket.token <= token && token < ticket.token + ticket.tokens)
  return holders.filter(ticket => ticket.revoked === true && isMeant(ticket))
}

function nobody(key: string): string {
  return `nothing to revoke: nobody of that kind is at "${plain(key)}"`
}

function byWhen(freeInMs: number): string {
  if (freeInMs === 0) return '; its place is free'
  const at = new Date(systemClock.wall() + freeInMs).toTimeString().slice(0, 8)
  return `; free when its owner has stopped, at the latest in ${humanMs(freeInMs)}, at ${at}`
}
