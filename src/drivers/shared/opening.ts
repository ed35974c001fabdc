/** How a driver is found by an address: known before the driver, and the client package behind it, is loaded. */
import type { Store } from '../../store/contract.ts'

export interface Opening {
  /** What its addresses begin with, without the colon. */
  readonly schemes: readonly string[]
  /** Loads the driver. @throws ConfigurationError */
  open(address: string, options: { readonly namespace?: string }): Promise<Store>
}
