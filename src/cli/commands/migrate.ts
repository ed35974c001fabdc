/** `holdfast migrate`: makes the tables and functions that a database needs before it can keep locks. */
import { withoutPassword } from '../../base/address.ts'
import { json } from '../../base/text.ts'
import type { Migrated } from '../../drivers/shared/opening.ts'
import { migrationOf } from '../../open.ts'
import { schema } from '../../sql/index.ts'
import { EXIT } from '../exit.ts'
import { addressOf } from '../store.ts'
import { print, REPORT_VERSION } from './print.ts'

export interface MigrateOptions {
  readonly print?: boolean
  readonly fences?: boolean
  readonly json?: boolean
}

/** Another who migrates is waited for, and tables that are in use. */
const TIMEOUT_MS = 60_000

export async function migrate(url: string | undefined, options: MigrateOptions): Promise<number> {
  const address = addressOf(url === undefined ? {} : { store: url }) ?? 'sqlite:'
  const migration = await migrationOf(address, dialect => ({
    more: options.fences === true ? statementsOf(schema(dialect)) : [],
  }))
  if (options.print === true) print(migration?.print().trimEnd() ?? '')
  else report(address, (await migration?.apply({ timeoutMs: TIMEOUT_MS })) ?? null, options)
  return EXIT.ok
}

/** null: there is nothing to migrate. */
function report(address: string, migrated: Migrated | null, options: MigrateOptions): void {
  const shown = withoutPassword(address)
  if (options.json === true) {
    const { before = null, layout = null } = migrated ?? {}
    print(json({ version: REPORT_VERSION, store: shown, before, layout }))
  } else print(migrated === null ? `${shown} needs no migration` : said(shown, migrated))
}

function said(shown: string, { before, layout }: Migrated): string {
  if (before === null) return `${shown} has layout ${layout} now`
  return before === layout
    ? `${shown} had layout ${layout} already`
    : `${shown} has layout ${layout} now; it had ${before}`
}

/** One by one, each without the semicolon at its end. */
function statementsOf(sql: string): readonly string[] {
  return sql
    .split(/;\s*\n/)
    .map(text => text.trim())
    .filter(text => text !== '')
}
