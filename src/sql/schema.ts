/** The tables of this module, for a migration of one's own: they are never created in silence. */
import { ConfigurationError, UnsupportedError } from '../base/errors.ts'
import type { Dialect } from './transaction.ts'

export const FENCES = 'holdfast_fences'

const SQLITE = `CREATE TABLE IF NOT EXISTS ${FENCES} (
  resource TEXT PRIMARY KEY,
  token INTEGER NOT NULL,
  raised_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`

/**
 * DDL of the table that `fence()` needs.
 * @throws UnsupportedError  a dialect that is not there yet
 */
export function schema(dialect: Dialect): string {
  refuseOtherDialects(dialect)
  return SQLITE
}

/** @throws UnsupportedError */
export function refuseOtherDialects(dialect: Dialect): void {
  if (dialect !== 'sqlite')
    throw new UnsupportedError(`Fencing inside a ${dialect} transaction is not supported; SQLite is.`)
}

/**
 * A table or column name as SQL text.
 * @throws ConfigurationError  anything but letters, digits and underscores, a schema in front allowed
 */
export function identifier(name: string): string {
  if (!/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$/.test(name))
    throw new ConfigurationError(
      `${JSON.stringify(name)} is not a name of a table: letters, digits and underscores only.`,
    )
  return name
    .split('.')
    .map(part => `"${part}"`)
    .join('.')
}
