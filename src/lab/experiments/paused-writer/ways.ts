/** What a holder does about the time that it may have lost, and what the resource demands of whoever writes. */
import type { Way } from '../../declaration.ts'
import { fenced, none, onWrite, sameToken, uniqueId } from '../../marked-row.ts'
import type { Check } from '../../marked-row.ts'

export interface Does extends Check {
  /** What happens to the first between its reading and its writing. */
  readonly fault: 'is paused' | 'is cut off'
  /** When it looks at its lease. */
  readonly looks?: 'before the pause' | 'when it writes'
  /** It reads and writes in one transaction, which locks the row. */
  readonly whole?: true
}

const paused = (check: Check): Does => ({ ...check, fault: 'is paused' })
const cut: Does = { ...none, fault: 'is cut off' }
const repaired = paused(fenced)

type Name =
  | ('lease' | 'assert-held' | 'unique-id' | 'matches-latest' | 'on-write' | 'fence' | 'transaction')
  | ('cut-off' | 'cut-off-heeded')
export const ways: Readonly<Record<Name, Way<Does>>> = {
  lease: { is: 'a lease, and nothing else', does: paused(none), sabotage: repaired },
  'assert-held': {
    is: 'assertHeld() just before the pause',
    does: { ...paused(none), looks: 'before the pause' },
    sabotage: repaired,
  },
  'unique-id': {
    is: 'the resource knows leases by unique ids, which have no order',
    does: paused(uniqueId),
    sabotage: repaired,
  },
  'matches-latest': {
    is: 'the resource takes only the token that it knows, word for word as in the text',
    does: paused(sameToken),
    sabotage: repaired,
  },
  'on-write': {
    is: 'the resource refuses a token older than that of the last write',
    does: paused(onWrite),
    sabotage: repaired,
  },
  fence: {
    is: 'fence(): the resource is raised to the token before the read',
    does: repaired,
    sabotage: paused(onWrite),
  },
  transaction: {
    is: 'read and written in one transaction, which locks the row; paused inside it',
    does: { ...paused(none), whole: true },
    sabotage: paused(none),
  },
  'cut-off': {
    is: 'cut off from the store instead of paused; it does not look',
    does: cut,
    sabotage: { ...cut, looks: 'when it writes' },
  },
  'cut-off-heeded': {
    is: 'cut off from the store; assertHeld() when it writes',
    does: { ...cut, looks: 'when it writes' },
    sabotage: cut,
  },
}
