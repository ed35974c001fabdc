/** The tables of this module, for a migration of one's own: they are never created in silence. */
import { ConfigurationError } from '../base/errors.ts'
import type { Dialect } from './transaction.ts'

export const FENCES = 'holdfast_fences'
export const IDEMPOTENCY = 'holdfast_idempotency'

const POSTGRES = `CREATE TABLE IF NOT EXISTS ${FENCES} (
  resource text PRIMARY KEY,
  token bigint NOT NULL,
  raised_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS ${IDEMPOTENCY} (
  idempotency_key text PRIMARY KEY,
  fingerprint text,
  result text,
  recorded_at timestamptz NOT NULL
);
`

// Compared byte by byte: another collation takes A for a. 600 characters of four bytes fit an index of InnoDB.
const MYSQL = `CREATE TABLE IF NOT EXISTS ${FENCES} (
  resource VARCHAR(600) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY,
  token BIGINT NOT NULL,
  raised_at DATETIME(6) NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS ${IDEMPOTENCY} (
  idempotency_key VARCHAR(600) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY,
  fingerprint VARCHAR(600) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  result LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  recorded_at DATETIME(6) NOT NULL
) ENGINE = InnoDB;
`

const SQLITE = `CREATE TABLE IF NOT EXISTS ${FENCES} (
  resource TEXT PRIMARY KEY,
  token INTEGER NOT NULL,
  raised_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ${IDEMPOTENCY} (
  idempotency_key TEXT PRIMARY KEY,
  fingerprint TEXT,
  result TEXT,
  recorded_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`

const SCHEMAS: Readonly<Record<Dialect, string>> = { postgres: POSTGRES, mysql: MYSQL, sqlite: SQLITE }

/**
 * DDL of the tables that `fence()` and `idempotent()` need: statements that end in a semicolon and a newline, which do
 * no harm where the tables are there already. MariaDB is `'mysql'`.
 * @throws ConfigurationError  there is no such dialect
 */
export function schema(dialect: Dialect): string {
  if (!Object.hasOwn(SCHEMAS, dialect))
    throw new ConfigurationError(
      `There is no dialect ${JSON.stringify(dialect)}: there are ${Object.keys(SCHEMAS).join(', ')}.`,
    )
  return SCHEMAS[dialect]
}

/** Ends the message of an error about one of these tables. */
export function adviceOf(dialect: Dialect): string {
  return `Add what schema('${dialect}') of holdfast/sql says to your migrations.`
}
