/**
 * What holdfast keeps in a database, and its version.
 *
 * A row of holdfast_queues is a lock, with whoever is alone in it; where more have come, each ticket is a row of
 * holdfast_tickets. Columns can be added to both without rewriting anything, which a column of a composite type would
 * not allow. No column that changes is indexed, and pages are filled by half, so that changes stay on their page
 * (heap-only tuples) and need no vacuum; what a crowd leaves behind, autovacuum is told to come for early.
 *
 * Keys are bytes, so that no encoding of the database shows; what people wrote (holder, meta, reasons) is JSON in
 * ASCII, which every encoding has. Instants are microseconds since 1970.
 */
import { functions } from './functions.ts'
import { literal, quoted } from './names.ts'

/** Grows when an older holdfast could no longer work with what is there. */
export const LAYOUT = 1
export const SCHEMA = 'public'

const CHURN = 'fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000'

const TABLES = {
  holdfast_queues: {
    columns: {
      namespace: 'bytea NOT NULL',
      key: 'bytea NOT NULL',
      token_end: 'bigint NOT NULL',
      crowded: 'boolean NOT NULL DEFAULT false',
      forbids: 'boolean NOT NULL DEFAULT false',
      id: 'text',
      tokens: 'integer',
      shared: 'boolean',
      most: 'bigint',
      about: 'text',
      channel: 'text',
      since: 'bigint',
      ends: 'bigint',
      life: 'bigint',
    },
    primary: 'namespace, key',
  },
  holdfast_tickets: {
    columns: {
      namespace: 'bytea NOT NULL',
      key: 'bytea NOT NULL',
      token: 'bigint NOT NULL',
      tokens: 'integer NOT NULL',
      id: 'text NOT NULL',
      shared: 'boolean NOT NULL',
      most: 'bigint',
      about: 'text NOT NULL',
      channel: 'text',
      entered: 'bigint NOT NULL',
      held: 'bigint',
      ends: 'bigint NOT NULL',
      life: 'bigint NOT NULL',
      claim: 'bigint',
      kept: 'boolean NOT NULL',
      revoked: 'text',
    },
    primary: 'namespace, key, token',
  },
  holdfast_forbidden: {
    columns: {
      namespace: 'bytea NOT NULL',
      key: 'bytea NOT NULL',
      id: 'text NOT NULL',
      reason: 'text NOT NULL',
      message: 'text',
      until: 'bigint NOT NULL',
      life: 'bigint NOT NULL',
    },
    primary: 'namespace, key, id',
  },
} as const

/**
 * The statements, in order, that make all of it and may be carried out again. They are for one transaction, and fail
 * with the code HF001 where something of our name is there that is not ours, or newer.
 */
export function ddl(schema: string): readonly string[] {
  const s = quoted(schema)
  return [
    'SET LOCAL search_path = pg_catalog, pg_temp',
    'SET LOCAL client_min_messages = warning',
    // Two who migrate at once would each see that nothing is there.
    `SELECT pg_advisory_xact_lock(hashtext('holdfast migrate'))`,
    ...(schema === SCHEMA ? [] : [makeSchema(schema)]),
    `CREATE TABLE IF NOT EXISTS ${s}.holdfast_layout (layout integer NOT NULL)`,
    refuseNewer(s),
    ...Object.entries(TABLES).map(
      ([name, { columns, primary }]) => `CREATE TABLE IF NOT EXISTS ${s}.${name} (
${Object.entries(columns)
  .map(([column, type]) => `  ${column} ${type},\n`)
  .join('')}  PRIMARY KEY (${primary})
) WITH (${CHURN})`,
    ),
    ...refuseForeign(s),
    ...functions(s),
    ...view(s),
    `DELETE FROM ${s}.holdfast_layout`,
    `INSERT INTO ${s}.holdfast_layout (layout) VALUES (${LAYOUT})`,
  ]
}

function refuseNewer(s: string): string {
  return `DO $$
DECLARE found integer;
BEGIN
  SELECT max(layout) INTO found FROM ${s}.holdfast_layout;
  IF found > ${LAYOUT} THEN
    RAISE EXCEPTION 'layout % is there, which a newer holdfast made; this one knows ${LAYOUT}', found USING ERRCODE = 'HF001';
  END IF;
EXCEPTION WHEN undefined_column OR datatype_mismatch THEN
  RAISE EXCEPTION 'there is a table holdfast_layout that holdfast did not make' USING ERRCODE = 'HF001';
END
$$`
}

/** Not by IF NOT EXISTS, which wants the right to create schemas also where there is nothing to create. */
function makeSchema(schema: string): string {
  return `DO $$
BEGIN
  IF to_regnamespace(${literal(quoted(schema))}) IS NULL THEN
    CREATE SCHEMA ${quoted(schema)};
  END IF;
END
$$`
}

/** What another program has made under our name would keep locks in a way of its own. */
function refuseForeign(s: string): readonly string[] {
  const columns = Object.entries(TABLES).flatMap(([table, { columns }]) =>
    Object.entries(columns).map(([name, type]) => `('${table}', '${name}', '${type.replace(/ .*/, '')}')`),
  )
  return [
    // What is there: the layout, and after it the columns that are not as they should be.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_found() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT concat_ws(' ', (SELECT max(layout) FROM ${s}.holdfast_layout), string_agg(w.tab || '.' || w.name, ', '))
  FROM (VALUES ${columns.join(', ')}) AS w(tab, name, type)
  WHERE NOT EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = to_regclass(${literal(`${s}.`)} || w.tab) AND a.attname = w.name AND NOT a.attisdropped
      AND format_type(a.atttypid, a.atttypmod) = w.type)
$$`,
    `DO $$
DECLARE wrong text := substring(${s}.holdfast_found() FROM '[a-z].*');
BEGIN
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'there are tables that holdfast did not make: the columns % are missing or of another type', wrong
      USING ERRCODE = 'HF001';
  END IF;
END
$$`,
  ]
}

/** For people: who holds what until when, and who waits. */
function view(s: string): readonly string[] {
  return [
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_text(b bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN convert_from(b, 'UTF8');
EXCEPTION WHEN OTHERS THEN
  RETURN encode(b, 'escape');
END
$$`,
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_word(words text, place integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN words::json ->> place;
EXCEPTION WHEN OTHERS THEN
  RETURN words;
END
$$`,
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_instant(us bigint) RETURNS timestamp with time zone
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT to_timestamp(us / 1e6::double precision)
$$`,
    `CREATE OR REPLACE VIEW ${s}.holdfast_locks AS
SELECT ${s}.holdfast_text(t.namespace) AS namespace, ${s}.holdfast_text(t.key) AS key,
  ${s}.holdfast_word(t.about, 0) AS holder, CASE WHEN t.held IS NULL THEN 'waits' ELSE 'holds' END AS state,
  CASE WHEN t.shared THEN 'shared' ELSE 'exclusive' END AS mode, t.most AS "limit", t.token, t.tokens,
  ${s}.holdfast_instant(coalesce(t.held, t.entered)) AS since, ${s}.holdfast_instant(t.ends) AS until,
  t.kept, t.revoked IS NOT NULL AS revoked, ${s}.holdfast_word(t.about, 1) AS meta
FROM (
  SELECT namespace, key, about, held, shared, most, token, tokens, entered, ends, kept, revoked
  FROM ${s}.holdfast_tickets
  UNION ALL
  SELECT namespace, key, about, since, shared, most, token_end - tokens, tokens, since, ends, false, NULL
  FROM ${s}.holdfast_queues WHERE id IS NOT NULL
) AS t
WHERE t.ends > ${s}.holdfast_micros()
ORDER BY t.namespace, t.key, t.token`,
  ]
}
