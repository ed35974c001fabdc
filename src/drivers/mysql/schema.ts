/**
 * What holdfast has in a database, as statements. Each can be carried out again and again; what changes an older layout
 * is added at the end of the list, under the number of its layout.
 *
 * Names are in lower case, since some servers fold them. Keys and namespaces are bytes: no collation folds them, and no
 * character set shortens them. `queue` is JSON in UTF-8, kept as bytes for the same reason.
 */
export const TABLE = 'holdfast_records'
export const LAYOUT_TABLE = 'holdfast_layout'

/** Of the layout that this holdfast reads and writes. */
export const LAYOUT = 1

interface Step {
  readonly layout: number
  readonly statements: readonly string[]
}

/** One row; a newer holdfast leaves a greater number. */
export const CREATE_LAYOUT = `CREATE TABLE IF NOT EXISTS ${LAYOUT_TABLE} (
  id TINYINT NOT NULL PRIMARY KEY,
  layout INT NOT NULL
) ENGINE=InnoDB`

const CREATE_RECORDS = `CREATE TABLE IF NOT EXISTS ${TABLE} (
  id BINARY(32) NOT NULL PRIMARY KEY,
  namespace VARBINARY(256) NOT NULL,
  name VARBINARY(1024) NOT NULL,
  version BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  token_end BIGINT NOT NULL,
  sole VARBINARY(64) NULL,
  queue LONGBLOB NOT NULL,
  free_at BIGINT NOT NULL,
  KEY holdfast_by_name (namespace, name(255))
) ENGINE=InnoDB`

/**
 * For people: who holds what until when, in the order of each queue. The ids, which prove possession, are not in it. A
 * ticket that entered by one statement has no times of its own yet (record.ts). Who holds is the rule (store/rule.ts):
 * all up to the first that cannot.
 */
const CREATE_VIEW = `CREATE OR REPLACE VIEW holdfast_locks AS
WITH tickets AS (
  SELECT r.id, r.namespace, r.name, t.place, t.holder, t.mode, t.hold_limit, t.revoked,
    JSON_EXTRACT(CONVERT(r.queue USING utf8mb4), CONCAT('$.tickets[', t.place - 1, '].meta')) AS meta,
    COALESCE(t.token, r.token_end - t.tokens) AS token,
    COALESCE(t.held_ms, t.entered_ms, r.free_at / 1000 - t.life_ms) * 1000 AS since_micros,
    COALESCE(t.expires_ms * 1000, r.free_at) AS until_micros
  FROM ${TABLE} AS r, JSON_TABLE(CONVERT(r.queue USING utf8mb4), '$.tickets[*]' COLUMNS (
    place FOR ORDINALITY,
    holder TEXT PATH '$.holder',
    mode VARCHAR(9) PATH '$.mode',
    hold_limit BIGINT PATH '$.limit',
    revoked TEXT PATH '$.revoked',
    token BIGINT PATH '$.token',
    tokens BIGINT PATH '$.tokens',
    entered_ms DOUBLE PATH '$.enteredAt',
    held_ms DOUBLE PATH '$.heldAt',
    expires_ms DOUBLE PATH '$.expiresAt',
    life_ms DOUBLE PATH '$.lifeMs'
  )) AS t
), living AS (
  SELECT *, until_micros - TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AS left_micros,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY place) AS number,
    SUM(mode = 'exclusive') OVER (PARTITION BY id ORDER BY place ROWS UNBOUNDED PRECEDING) AS exclusives
  FROM tickets WHERE until_micros > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
), judged AS (
  SELECT *, SUM(number > 1 AND (exclusives > 0 OR number > COALESCE(hold_limit, number)))
    OVER (PARTITION BY id ORDER BY place ROWS UNBOUNDED PRECEDING) AS stops
  FROM living
)
SELECT CONVERT(namespace USING utf8mb4) AS namespace, CONVERT(name USING utf8mb4) AS lock_key, holder,
  IF(stops = 0, 'holds', 'waits') AS state, mode, hold_limit, token,
  DATE_ADD(CAST('1970-01-01' AS DATETIME(6)), INTERVAL CAST(since_micros AS SIGNED) MICROSECOND) AS since_utc,
  DATE_ADD(CAST('1970-01-01' AS DATETIME(6)), INTERVAL CAST(until_micros AS SIGNED) MICROSECOND) AS until_utc,
  left_micros / 1000000 AS seconds_left, meta, revoked
FROM judged ORDER BY namespace, lock_key, number`

/** In order; those of layouts that are there already are left out. */
export const STEPS: readonly Step[] = [{ layout: 1, statements: [CREATE_RECORDS] }]

/** Nothing is kept in them, so each migration makes them anew. */
export const VIEWS: readonly string[] = [CREATE_VIEW]
