/** `holdfast/store`: what a driver of one's own implements, and the rule to build it on. */
export type * from './contract.ts'
export { EMPTY, enter, forgettable, holding, leave, renew, revoke, view } from './queue.ts'
export type { Forbidden, Now, Queue, Step, Ticket } from './queue.ts'
