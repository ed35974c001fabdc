/** `holdfast ls`, `inspect` and `revoke`: look at locks and end them. */
import { humanMs } from '../../base/duration.ts'
import { normalKey } from '../../base/key.ts'
import type { LockView, TicketView } from '../../store/contract.ts'
import { EXIT } from '../exit.ts'
import { withStore } from '../store.ts'
import type { StoreOptions } from '../store.ts'
import { hasEmphasis, json, plain, table } from '../../base/text.ts'

export interface ShowOptions extends StoreOptions {
  readonly json?: boolean
}

export interface RevokeOptions extends ShowOptions {
  readonly reason: string
  readonly token?: number
  readonly all?: boolean
  readonly now?: boolean
}

const HEADS = ['KEY', 'HOLDER', 'TOKEN', 'FOR', 'LEFT', 'WAITERS']

export function list(prefix: string, options: ShowOptions): Promise<number> {
  return withStore(options, async locks => {
    const views: LockView[] = []
    for await (const view of locks.list(prefix)) views.push(view)
    if (options.json === true) print(json(views, 2))
    else if (views.length > 0) print(table(HEADS, views.flatMap(rowsOf), { bold: hasEmphasis(process.stdout) }))
    else if (process.stdout.isTTY) process.stderr.write('holdfast: nothing is locked\n')
    return EXIT.ok
  })
}

/** One row for each holder; the waiters are the lock's, so they stand in its first. */
function rowsOf({ key, holders, waiters }: LockView): readonly (readonly string[])[] {
  const count = String(waiters.length)
  if (holders.length === 0) return [[plain(key), '-', '-', '-', '-', count]]
  return holders.map((ticket, index) => [
    plain(key),
    plain(ticket.holder),
    String(ticket.token),
    humanMs(ticket.sinceMs),
    humanMs(ticket.leftMs),
    index === 0 ? count : '',
  ])
}

/** 0: somebody holds it; 1: nobody does. */
export function inspect(key: string, options: ShowOptions): Promise<number> {
  const normal = normalKey(key)
  return withStore(options, async locks => {
    const view = await locks.inspect(normal)
    const { holders = [], waiters = [] } = view ?? {}
    const held = holders.length > 0
    if (options.json === true) print(json({ key: normal, held, token: view?.token ?? null, holders, waiters }, 2))
    else
      print(
        [
          `${plain(normal)}: ${held ? 'held' : 'free'}`,
          ...holders.map(ticket => `  ${described('holds', ticket)}`),
          ...waiters.map(ticket => `  ${described('waits', ticket)}`),
        ].join('\n'),
      )
    return held ? EXIT.ok : EXIT.free
  })
}

function described(verb: string, ticket: TicketView): string {
  const kind = ticket.mode === 'exclusive' ? '' : ticket.limit === null ? ', shared' : `, limit ${ticket.limit}`
  const meta = Object.entries(ticket.meta).map(([name, value]) => ` ${plain(`${name}=${value}`)}`)
  return `${plain(ticket.holder)} ${verb} for ${humanMs(ticket.sinceMs)}, ${humanMs(ticket.leftMs)} left unless renewed, token ${ticket.token}${kind}${meta.length === 0 ? '' : `, meta${meta.join('')}`}`
}

export function revoke(key: string, options: RevokeOptions): Promise<number> {
  const normal = normalKey(key)
  const { reason, token, all, now = false } = options
  return withStore(options, async locks => {
    const revoked = await locks.revoke(normal, { reason, now, tickets: token ?? (all === true ? 'all' : 'holders') })
    if (options.json === true) print(json({ key: normal, revoked }))
    else
      print(
        revoked === 0
          ? `nothing to revoke: nobody of that kind is at "${plain(normal)}"`
          : `revoked ${revoked} of "${plain(normal)}"${now ? '' : '; free when its owner has stopped, at the latest when its time runs out'}`,
      )
    return EXIT.ok
  })
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
