/** The transactions that add a ticket: as data, from what is asked and the leases that are at hand. */
import type { TicketRequest } from '../../store/contract.ts'
import { encodeWords, wordsOf } from '../shared/queue-keys/line.ts'
import type { Life } from '../shared/queue-keys/lives.ts'
import { absent, empty, get, put, range, written } from './statements.ts'
import type { Compare, Names, Operation, Transaction } from './statements.ts'

export interface Entering {
  /** In whatever line: as one that holds if it is empty, else as one that waits. The second part is the line. */
  inLine(hold: Life, wait: Life): Transaction
  /** As one that holds, and only under this condition. The last part is the line. */
  ifHolds(hold: Life, condition: Compare): Transaction
}

/** Where nothing is added, the parts are the line and the mark of the id. `at`: by the wall clock. */
export function enteringOf(names: Names, request: TicketRequest, at: number): Entering {
  const { key, id } = request
  const [prefix, own, mark] = [names.tickets(key), names.ticket(key, id), names.mark(key, id)]
  const failure = [range(prefix), get(mark)]

  /** The lease counts it, so that the same transaction comes to nothing a second time. */
  const ticketOn = (life: Life, holds: boolean): readonly Operation[] => [
    put(own, encodeWords(wordsOf(request, { holds, at })), life.id),
    put(names.lease(life.id), '', life.id),
  ]
  const isNew = (lives: readonly Life[]): readonly Compare[] => [
    ...[absent(own), absent(mark)],
    ...lives.map(({ id: lease, uses }) => written(names.lease(lease), uses)),
  ]

  return {
    inLine(hold, wait) {
      const choice = { compare: [empty(prefix)], success: ticketOn(hold, true), failure: ticketOn(wait, false) }
      const compare = isNew(hold === wait ? [hold] : [hold, wait])
      return { compare, success: [{ request_txn: choice }, range(prefix)], failure }
    },
    ifHolds: (hold, condition) => ({
      compare: [...isNew([hold]), condition],
      success: [...ticketOn(hold, true), range(prefix)],
      failure,
    }),
  }
}
