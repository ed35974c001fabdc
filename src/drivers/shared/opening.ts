/** How a driver is found by an address: known before the driver, and the client package behind it, is loaded. */
import type { Io, Store } from '../../store/contract.ts'

export interface Opening {
  /** What its addresses begin with, without the colon. */
  readonly schemes: readonly string[]
  /** Loads the driver. @throws ConfigurationError */
  open(address: string, options: { readonly namespace?: string }): Promise<Store>
  /** Of its SQL. */
  readonly dialect?: 'postgres' | 'mysql' | 'sqlite'
  /** Makes what its database must have before it can be opened. Absent: nothing. @throws ConfigurationError */
  migration?(address: string, wish: MigrationWish): Promise<Migration>
}

export interface MigrationWish {
  /** Stored procedures too, for a store that does without. */
  readonly procedures?: boolean
  /** Statements of others, each whole, without a semicolon at its end. They come last. */
  readonly more?: readonly string[]
}

/** Tables and functions of a driver. Connects only to apply. */
export interface Migration {
  /** All of it as text for the database's own shell, for people with migrations of their own. */
  print(): string
  /**
   * Carries it out: again and again without harm, and from an older layout to this one.
   * @throws ConfigurationError  a newer layout is there, or something of our name that is not ours; privileges are
   * missing
   * @throws StoreUnavailableError
   */
  apply(io: Io): Promise<Migrated>
}

export interface Migrated {
  /** The layout that was there; null: none. */
  readonly before: number | null
  readonly layout: number
}
