/** `holdfast`: distributed locks that stay correct when the lock fails. */
export { duration } from './base/duration.ts'
export type { Duration } from './base/duration.ts'
export {
  ClosedError,
  ConfigurationError,
  HoldfastError,
  InvalidKeyError,
  LeaseLostError,
  StaleTokenError,
  StoreUnavailableError,
  UnsupportedError,
  VersionConflictError,
  WaitTimeoutError,
} from './base/errors.ts'
export type { ErrorCode } from './base/errors.ts'
export type {
  AcquireOptions,
  Election,
  Leader,
  Lease,
  LeaseSet,
  Lock,
  LockEvent,
  LockOptions,
  Locks,
  LocksOptions,
  Ran,
  Task,
  TryOptions,
} from './locks/types.ts'
export { note } from './core/note.ts'
export type { Write } from './core/note.ts'
export { createLocks } from './locks/locks.ts'
export { open } from './open.ts'
export type { OpenOptions } from './open.ts'
export type { LeaseLostReason, LockView, Store, StoreTraits, TicketView } from './store/contract.ts'
