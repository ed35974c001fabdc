/**
 * Are the tables of this database ours, and of a layout that we know? Asked whenever a connection is made, before
 * anything else, and by the migration.
 *
 * A table of our name that somebody else made, or a column that would cut a key or fold its letters, must not be taken
 * for locks.
 */
import type { Fields } from '../../base/decode.ts'
import { ConfigurationError } from '../../base/errors.ts'
import type { Link } from './client.ts'
import { isMissingTable } from './failures.ts'
import { numberIn, textIn } from './record.ts'
import { LAYOUT, LAYOUT_TABLE, TABLE } from './schema.ts'

/** As SHOW CREATE TABLE tells them; MariaDB adds the width of a number in digits. */
const COLUMNS: Readonly<Record<string, string>> = {
  id: 'binary(32) NOT NULL',
  namespace: 'varbinary(256) NOT NULL',
  name: 'varbinary(1024) NOT NULL',
  version: 'bigint NOT NULL',
  changed_at: 'bigint NOT NULL',
  token_end: 'bigint NOT NULL',
  sole: 'varbinary(64) DEFAULT NULL',
  queue: 'longblob NOT NULL',
  free_at: 'bigint NOT NULL',
}

/** @throws ConfigurationError  tables are missing, of another layout, or not ours */
export async function refuseOtherLayout(link: Link, where: string): Promise<void> {
  const layout = await layoutOf(link, where)
  const help = `Run \`holdfast migrate URL\` with its address, or \`holdfast migrate URL --print\` for migrations of your own.`
  if (layout === null) throw new ConfigurationError(`${where} has no tables of holdfast. ${help}`)
  if (layout < LAYOUT)
    throw new ConfigurationError(`${where} has layout ${layout} of holdfast's tables, and ${LAYOUT} is needed. ${help}`)
  if (layout > LAYOUT) throw tooNew(where, layout)
}

export function tooNew(where: string, layout: number): ConfigurationError {
  return new ConfigurationError(
    `${where} has layout ${layout} of holdfast's tables, and this holdfast knows ${LAYOUT}. Upgrade holdfast.`,
  )
}

/** null: there are no tables, or the migration has not come to its end. @throws ConfigurationError  tables not ours */
export async function layoutOf(link: Link, where: string): Promise<number | null> {
  try {
    const [shown = {}] = (await link.ask(`SHOW CREATE TABLE ${TABLE}`)).rows
    refuseOthers(shown, where)
    const [row] = (await link.ask(`SELECT layout FROM ${LAYOUT_TABLE} WHERE id = 1`)).rows
    return row === undefined ? null : numberIn(row, 'layout')
  } catch (cause) {
    if (isMissingTable(cause)) return null
    throw cause
  }
}

function refuseOthers(shown: Fields, where: string): void {
  if (shown['Create Table'] === undefined) throw notOurs(where, 'it is no table')
  const made = textIn(shown, 'Create Table')
  const columns = new Map([...made.matchAll(/^ +`(\w+)` (.*?),?$/gm)].map(([, name = '', type = '']) => [name, type]))
  for (const [name, wanted] of Object.entries(COLUMNS)) {
    const there = columns.get(name)
    if (there === undefined) throw notOurs(where, `it has no column ${name}`)
    if (there.replace(/^bigint\(\d+\)/, 'bigint') !== wanted) throw notOurs(where, `it has ${name} ${there}`)
  }
  const engine = /\bENGINE=(\w+)/.exec(made)?.[1] ?? 'no'
  if (engine !== 'InnoDB') throw notOurs(where, `it has the ${engine} engine`)
}

function notOurs(where: string, found: string): ConfigurationError {
  return new ConfigurationError(
    `The table ${TABLE} of ${where} is not as holdfast makes it: ${found}. If it is somebody else's, give holdfast ` +
      'a database of its own; if it is ours, drop it while nobody holds a lock, and run `holdfast migrate URL`.',
  )
}
