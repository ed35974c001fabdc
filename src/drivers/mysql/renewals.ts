/**
 * Many renewals in two statements: one reads the rows, one writes those that a renewal merely prolongs, if they are
 * still as they were read. So up to 64 leases cost one commit.
 *
 * Whatever is out of the ordinary (a ticket that is lost, somebody to be told, a row that another was quicker with) is
 * left to be renewed by itself. If one row of the writing was changed in between, all are: to renew once more than was
 * answered does no harm.
 */
import { bytes } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import type { Io, Renewal, RenewRequest } from '../../store/contract.ts'
import { renew } from '../../store/queue.ts'
import type { Queue } from '../../store/queue.ts'
import type { Reply } from './client.ts'
import { nowIn, numberIn, queueIn, rowOf } from './record.ts'
import { CHANGE_MANY, cases, MANY } from './statements.ts'
import type { Values } from './statements.ts'

const MOST = 64

export interface Asking {
  idOf(key: string): Uint8Array
  ask(text: string, values: Values, io: Io): Promise<Reply>
}

interface Prolonged {
  readonly request: RenewRequest
  readonly answer: Renewal
  readonly id: Uint8Array
  readonly version: number
  readonly queue: Queue
}

/** The answers of those that were renewed together. Never rejects: the others are told by their own renewal. */
export async function renewTogether(
  renewals: readonly RenewRequest[],
  asking: Asking,
  io: Io,
): Promise<ReadonlyMap<RenewRequest, Renewal>> {
  const answers = new Map<RenewRequest, Renewal>()
  // Two of one lock would write its row twice.
  const plain = [...new Map(renewals.map(request => [request.key, request])).values()]
  for (let start = 0; start < plain.length && plain.length > 1; start += MOST) {
    for (const { request, answer } of await renewSome(plain.slice(start, start + MOST), asking, io).catch(() => []))
      answers.set(request, answer)
  }
  return answers
}

async function renewSome(
  renewals: readonly RenewRequest[],
  { idOf, ask }: Asking,
  io: Io,
): Promise<readonly Prolonged[]> {
  const wanted = new Map(renewals.map(request => [hex(idOf(request.key)), request]))
  const { rows } = await ask(MANY, [renewals.map(({ key }) => idOf(key))], io)
  const prolonged = rows.flatMap(row => prolongedIn(row, wanted.get(hex(bytes(row, 'id')))) ?? [])
  if (prolonged.length < 2) return []
  const after = prolonged.map(({ id, version, queue }) => ({ id, version, ...rowOf(queue) }))
  const { affected } = await ask(CHANGE_MANY, [...cases(after)], io)
  return affected === prolonged.length ? prolonged : []
}

/** null: not by this way. */
function prolongedIn(row: Fields, request: RenewRequest | undefined): Prolonged | null {
  const now = nowIn(row)
  if (request === undefined || numberIn(row, 'changed_at') > now.micros) return null
  const before = queueIn(row, request.key)
  const { queue, answer, holds, revoked } = renew(before, request, now)
  if (answer.status !== 'held' || queue === before || holds.length > 0 || revoked.length > 0) return null
  return { request, answer, id: bytes(row, 'id'), version: numberIn(row, 'version'), queue }
}

function hex(id: Uint8Array): string {
  return Buffer.from(id).toString('hex')
}
