/** `holdfast inspect`: one lock. */
import { humanMs } from '../../base/duration.ts'
import { normalKey } from '../../base/key.ts'
import { json, plain } from '../../base/text.ts'
import type { TicketView } from '../../store/contract.ts'
import { EXIT } from '../exit.ts'
import { withStore } from '../store.ts'
import type { StoreOptions } from '../store.ts'
import { marksOf, print, REPORT_VERSION } from './print.ts'

export interface InspectOptions extends StoreOptions {
  readonly json?: boolean
}

/** 0: somebody holds it; 1: nobody does. */
export function inspect(key: string, options: InspectOptions): Promise<number> {
  const normal = normalKey(key)
  return withStore(options, async locks => {
    const view = await locks.inspect(normal)
    const { holders = [], waiters = [] } = view ?? {}
    const held = holders.length > 0
    if (options.json === true)
      print(json({ version: REPORT_VERSION, key: normal, held, token: view?.token ?? null, holders, waiters }, 2))
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
  const marks = marksOf(ticket).map(mark => `, ${mark}`)
  const meta = Object.entries(ticket.meta).map(([name, value]) => ` ${plain(`${name}=${value}`)}`)
  const times = `for ${humanMs(ticket.sinceMs)}, ${humanMs(ticket.leftMs)} left unless renewed`
  const rest = meta.length === 0 ? '' : `, meta${meta.join('')}`
  return `${plain(ticket.holder)} ${verb} ${times}, token ${ticket.token}${kind}${marks.join('')}${rest}`
}
