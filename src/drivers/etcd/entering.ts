/** The transactions that add a ticket: as data, from what is asked and the leases that are at hand. */
import type { TicketRequest } from '../../store/contract.ts'
import { encodeWords, wordsOf } from '../shared/queue-keys/line.ts'
import type { Life } from '../shared/queue-keys/lives.ts'
import type { KeyValue } from './answers.ts'
import { absent, empty, get, put, range, unwritten, written } from './statements.ts'
import type { Compare, Names, Operation, Transaction } from './statements.ts'

export interface Entering {
  /** In whatever line: as one that holds if it is empty, else as one that waits. Then the first part is the line. */
  inLine(hold: Life, wait: Life): Transaction
  /** As one that holds, and only if the line is empty. */
  ifFree(hold: Life): Transaction
  /** As one that holds, and only if the line has had no addition since. The last part is the line. */
  ifSame(hold: Life, since: number): Transaction
  /** What is known of a ticket that is alone. */
  alone(hold: Life, revision: number): KeyValue
}

/** Where nothing is added, the parts are the line and the mark of the id. `at`: by the wall clock. */
export function enteringOf(names: Names, request: TicketRequest, at: number): Entering {
  const { key, id } = request
  const [prefix, mark] = [names.tickets(key), names.mark(key, id)]
  const failure = [range(prefix), get(mark)]
  const wordsIf = (holds: boolean): string => encodeWords(wordsOf(request, { holds, at }), id)

  /** The lease counts it, so that the same transaction comes to nothing a second time. */
  const ticketOn = ({ id: lease }: Life, words: string): readonly Operation[] => [
    put(names.ticket(key, lease), words, lease),
    put(names.lease(lease), '', lease),
  ]
  const isNew = (...lives: readonly Life[]): readonly Compare[] => [
    absent(mark),
    ...lives.map(({ id: lease, uses }) => written(names.lease(lease), uses)),
  ]
  const isUnused = (...lives: readonly Life[]): readonly Compare[] =>
    lives.map(({ id: lease }) => absent(names.ticket(key, lease)))

  return {
    inLine(hold, wait) {
      const behind = [...ticketOn(wait, wordsIf(false)), range(prefix)]
      const choice = { compare: [empty(prefix)], success: ticketOn(hold, wordsIf(true)), failure: behind }
      const lives = [...new Set([hold, wait])]
      return { compare: [...isNew(...lives), ...isUnused(...lives)], success: [{ request_txn: choice }], failure }
    },
    ifFree: hold => ({ compare: [...isNew(hold), empty(prefix)], success: ticketOn(hold, wordsIf(true)), failure }),
    ifSame: (hold, since) => ({
      compare: [...isNew(hold), ...isUnused(hold), unwritten(prefix, since)],
      success: [...ticketOn(hold, wordsIf(true)), range(prefix)],
      failure,
    }),
    alone: ({ id: lease }, revision) => ({
      ...{ name: names.ticket(key, lease), value: wordsIf(true), lease },
      ...{ created: revision, modified: String(revision) },
    }),
  }
}
