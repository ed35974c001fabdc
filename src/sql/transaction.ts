/**
 * A transaction of the user's, as this module needs it. `clients/` makes one of what a client or ORM gives; whoever has
 * another client writes these two functions.
 */
export type Dialect = 'postgres' | 'mysql' | 'sqlite'

/** Placeholders are the dialect's own: `$1` for PostgreSQL, `?` for MySQL, MariaDB and SQLite. */
export interface SqlTransaction {
  readonly dialect: Dialect
  rows(text: string, values: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Changed or matched rows, as the driver counts: holdfast never depends on which. */
  execute(text: string, values: readonly unknown[]): Promise<number>
}

/** A Lease fits; so does { key, token } out of a queue message. */
export interface Fencing {
  readonly key: string
  readonly token: number
  readonly mode?: 'exclusive' | 'shared'
}

export type Scalar = string | number | bigint | boolean | Date | Uint8Array | null

/** Columns and the values that they must have, all of them; null stands for IS NULL. */
export type Where = Readonly<Record<string, Scalar>>

/** For a client that holdfast does not know. Names are quoted in the text, values never stand in it. */
export interface Statement {
  readonly text: string
  readonly values: readonly Scalar[]
}
