/** `holdfast ls`: who holds what, how many wait. */
import { humanMs } from '../../base/duration.ts'
import { hasEmphasis, json, plain, table } from '../../base/text.ts'
import type { LockView, TicketView } from '../../store/contract.ts'
import { EXIT } from '../exit.ts'
import { describeStore, withStore } from '../store.ts'
import type { StoreOptions } from '../store.ts'
import { marksOf, print, REPORT_VERSION, warn } from './print.ts'

export type Order = 'key' | 'waiters' | 'age' | 'left'

export interface ListOptions extends StoreOptions {
  readonly json?: boolean
  readonly sort: Order
  readonly holder?: string
  readonly waiting?: boolean
}

const HEADS = ['KEY', 'HOLDER', 'TOKEN', 'FOR', 'LEFT', 'WAITERS']

export function list(prefix: string, options: ListOptions): Promise<number> {
  return withStore(options, async locks => {
    const all: LockView[] = []
    for await (const view of locks.list(prefix)) all.push(view)
    const views = chosen(all, options)
    if (options.json === true) print(json({ version: REPORT_VERSION, locks: views }, 2))
    else if (views.length > 0) print(drawn(views))
    else warn(`${nothing(prefix, options)} in ${await describeStore(options)}`)
    return EXIT.ok
  })
}

/** What was asked for, in the order that was asked for; keys in the order of their characters otherwise. */
export function chosen(
  views: readonly LockView[],
  { sort, holder, waiting }: Pick<ListOptions, 'sort' | 'holder' | 'waiting'>,
): readonly LockView[] {
  const rank = RANKS[sort]
  return views
    .filter(view => waiting !== true || view.waiters.length > 0)
    .filter(view => holder === undefined || view.holders.some(ticket => ticket.holder.includes(holder)))
    .toSorted((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1))
}

/** Smaller comes first. */
const RANKS: Readonly<Record<Order, (view: LockView) => number>> = {
  key: () => 0,
  waiters: view => -view.waiters.length,
  age: view => -Math.max(0, ...view.holders.map(({ sinceMs }) => sinceMs)),
  left: view => Math.min(Number.MAX_SAFE_INTEGER, ...view.holders.map(({ leftMs }) => leftMs)),
}

/** Marks have a column only if there are any: they are rare, and few scripts look for them. */
function drawn(views: readonly LockView[]): string {
  const marked = views.some(({ holders }) => holders.some(ticket => marksOf(ticket).length > 0))
  const rows = views.flatMap(view => rowsOf(view, marked))
  return table(marked ? [...HEADS, 'MARK'] : HEADS, rows, { bold: hasEmphasis(process.stdout) })
}

/** One row for each holder; the waiters are the lock's, so they stand in its first. */
function rowsOf({ key, holders, waiters }: LockView, marked: boolean): readonly (readonly string[])[] {
  const count = String(waiters.length)
  if (holders.length === 0) return [[plain(key), '-', '-', '-', '-', count]]
  return holders.map((ticket, index) => [
    plain(key),
    plain(ticket.holder),
    String(ticket.token),
    humanMs(ticket.sinceMs),
    humanMs(ticket.leftMs),
    index === 0 ? count : '',
    ...markCell(ticket, marked),
  ])
}

function markCell(ticket: TicketView, marked: boolean): readonly string[] {
  return marked ? [marksOf(ticket).join(', ')] : []
}

function nothing(prefix: string, { holder, waiting }: ListOptions): string {
  return prefix === '' && holder === undefined && waiting !== true ? 'nothing is locked' : 'no such lock'
}
