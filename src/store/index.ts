/** `holdfast/store`: what a driver of one's own implements, the rule to build it on, and the verbs over records. */
export { bySwap } from './by-swap.ts'
export type { Found, Swap, Swappable } from './by-swap.ts'
export type * from './contract.ts'
export { EMPTY, enter, forgettable, holding, leave, renew, revoke, view } from './queue.ts'
export type { Forbidden, Now, Queue, Step, Ticket } from './queue.ts'
export { recordStore } from './record-store.ts'
export type { Change, LockRecord, News, Outcome, Records } from './record-store.ts'
export { decodeQueue, encodeQueue } from './record.ts'
