/** Ways to book a room under a lease that ends before the write does: those that break, and those that hold alone. */
import { fence, idempotent } from '../../../sql/index.ts'
import type { Way } from '../../declaration.ts'
import { FENCES, IDEMPOTENCY } from '../../tables.ts'
import type { Bookable, Step } from '../../booking.ts'
import { holdSeat, insert, insertUnique, reserve, takeSeat } from '../../rooms.ts'

const plain: Bookable = { write: (tx, { guest }) => insert(tx, guest) }
const unique: Bookable = { write: (tx, { guest }) => insertUnique(tx, guest) }
const raise: Step = (tx, { lease }) => fence(tx, lease, { table: FENCES }).then(() => true)
const fenced: Bookable = {
  before: raise,
  write: async (tx, means) => (await raise(tx, means)) && plain.write(tx, means),
}
const keyed: Bookable = {
  write: async (tx, { guest, request }) =>
    (await idempotent(tx, request, () => insert(tx, guest), { table: IDEMPOTENCY })).value,
}

type Broken = 'lease' | 'longer' | 'key-alone' | 'confirm-first' | 'paused' | 'retry'
type Repaired = 'snapshot' | 'row-lock' | 'unique' | 'atomic' | 'fence' | 'renewed' | 'seat' | 'retry-key'
export const ways: Readonly<Record<Broken | Repaired, Way<Bookable>>> = {
  lease: { is: 'a lease, and nothing else', does: plain, sabotage: unique },
  longer: {
    is: 'a lease twice as long, and a write that is longer too',
    does: { ...plain, twice: true },
    sabotage: unique,
  },
  'key-alone': { is: 'an idempotency key for each request', does: keyed, sabotage: unique },
  'confirm-first': {
    is: 'a unique row, but confirmed before the commit',
    does: { ...unique, confirms: 'before the commit' },
    sabotage: unique,
  },
  paused: {
    is: 'a lease that is renewed, and its holder is paused',
    does: { ...plain, renewed: 'and paused' },
    sabotage: { ...fenced, renewed: 'and paused' },
  },
  retry: {
    is: "the first one's own request, sent once more",
    does: { ...plain, retry: true },
    sabotage: { ...keyed, retry: true },
  },
  snapshot: { is: 'looks inside the transaction that writes', does: { ...plain, inside: 'snapshot' }, sabotage: plain },
  'row-lock': {
    is: 'the same, and the transaction locks the row first',
    does: { ...plain, inside: 'locked', meets: 'waits for the row' },
    sabotage: plain,
  },
  unique: { is: 'a unique row for each room and night', does: unique, sabotage: plain },
  atomic: {
    is: 'reserve if available, in one statement',
    does: { write: (tx, { guest }) => reserve(tx, guest) },
    sabotage: plain,
  },
  fence: { is: 'fence() before it looks and when it writes', does: fenced, sabotage: plain },
  renewed: {
    is: 'a lease that is renewed while it runs',
    does: { ...plain, renewed: 'while it runs', meets: 'waits' },
    sabotage: plain,
  },
  seat: {
    is: 'the seat is held while its guest pays',
    does: {
      before: (tx, { guest }) => holdSeat(tx, guest),
      write: (tx, { guest }) => takeSeat(tx, guest),
      meets: 'declines',
    },
    sabotage: plain,
  },
  'retry-key': {
    is: 'the request sent once more, with an idempotency key',
    does: { ...keyed, retry: true },
    sabotage: { ...plain, retry: true },
  },
}
