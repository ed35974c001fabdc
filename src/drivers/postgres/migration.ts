/** Makes what holdfast keeps in a database, or shows the SQL for it. */
import { ConfigurationError } from '../../base/errors.ts'
import type { HoldfastError } from '../../base/errors.ts'
import { within } from '../../base/deadline.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import type { Migrated, Migration, MigrationWish } from '../shared/opening.ts'
import { postgresAddress, schemaOf } from './address.ts'
import { sourceOfAddress } from './client.ts'
import { failure } from './failures.ts'
import { openLink } from './greeting.ts'
import { ddl, LAYOUT } from './layout.ts'
import { quoted } from './names.ts'

/** @throws ConfigurationError  no address */
export function migrationAt(text: string, { more = [] }: MigrationWish = {}): Migration {
  const address = postgresAddress(text)
  const schema = schemaOf(undefined, address)
  const source = sourceOfAddress(address, {})
  const { where } = source
  const others = more.length === 0 ? [] : [`SET LOCAL search_path = ${quoted(schema)}`, ...more]
  const script = `BEGIN;\n${[...ddl(schema), ...others].join(';\n')};\nCOMMIT;\n`

  async function apply({ timeoutMs }: Io): Promise<Migrated> {
    const link = await openLink(source, timeoutMs)
    try {
      const table = `${quoted(schema)}.holdfast_layout`
      const ask = (query: string): Promise<readonly string[]> => link.ask({ text: query, values: [] }, timeoutMs)
      const before = await ask(`SELECT pg_catalog.concat(pg_catalog.max(layout)) FROM ${table}`).catch(() => [''])
      await link.script(script)
      return { before: before[0] === '' ? null : Number(before[0]), layout: LAYOUT }
    } finally {
      link.end()
    }
  }

  return {
    print: () => script,
    async apply(io) {
      const late = (): never => {
        throw new StoreUnavailableError(`${where} did not carry out the migration within ${io.timeoutMs} ms.`)
      }
      const applied = apply(io).catch((cause: unknown) => {
        throw refusal(cause, { where, schema })
      })
      return within(applied, { ...io, late })
    },
  }
}

function refusal(cause: unknown, of: { readonly where: string; readonly schema: string }): HoldfastError {
  if (!(cause instanceof Error) || Reflect.get(cause, 'code') !== 'HF001') return failure(cause, { ...of, sent: true })
  return new ConfigurationError(
    `${of.where} cannot be migrated: in schema ${of.schema} ${cause.message}. ` +
      'Give holdfast a schema of its own (?schema=NAME), or a newer version.',
    { cause },
  )
}
