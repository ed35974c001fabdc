/** What all parts of the core share for one store: its parts are made once, in locks.ts, and handed down. */
import type { Store } from '../store/contract.ts'
import type { Background } from './background.ts'
import type { Clock } from '../base/clock.ts'
import type { Connecting } from './connecting.ts'
import type { Events } from './events.ts'
import type { Newest } from './newest.ts'
import type { Pushes } from './pushes.ts'
import type { Renewer } from './renewal.ts'

export interface Core {
  readonly store: Store
  readonly clock: Clock
  readonly events: Events
  readonly connecting: Connecting
  readonly renewer: Renewer
  readonly pushes: Pushes
  readonly newest: Newest
  readonly background: Background
  readonly holder: string
  readonly storeTimeoutMs: number
  /** How long a waiting ticket lives without a heartbeat. */
  readonly waiterTtlMs: number
}
