/**
 * `holdfast migrate` for MySQL and MariaDB. DDL is no part of a transaction here, so each statement can be carried out
 * again, and the number of the layout is written last: who finds none begins anew.
 */
import { ConfigurationError, HoldfastError } from '../../base/errors.ts'
import { within } from '../../base/deadline.ts'
import { endingLate } from '../shared/connection.ts'
import type { Migration, MigrationWish } from '../shared/opening.ts'
import { mysqlAddress } from './address.ts'
import { dial } from './client.ts'
import type { Link } from './client.ts'
import { opened } from './connection.ts'
import { failure, isTooOld } from './failures.ts'
import { layoutOf, tooNew } from './layout.ts'
import { CREATE_LAYOUT, LAYOUT, LAYOUT_TABLE, STEPS, VIEWS } from './schema.ts'

/** @throws ConfigurationError  no address of this driver */
export function migrationOf(address: string, { more = [] }: MigrationWish = {}): Migration {
  const place = mysqlAddress(address)
  const where = place.shown

  return {
    print: () => [...statementsFrom(null), ...more].map(text => `${text};\n`).join('\n'),
    apply: ({ timeoutMs }) =>
      within(apply(timeoutMs), {
        timeoutMs,
        late: () => {
          throw new HoldfastError(
            `${where} was not done within ${timeoutMs} ms: it does not answer, or somebody keeps a table of holdfast locked. Run it again, it goes on where it was.`,
          )
        },
      }),
  }

  async function apply(timeoutMs: number): ReturnType<Migration['apply']> {
    const source = (ms: number): Promise<Link> => dial(place, ms)
    try {
      const link = await opened(source, { where, timeoutMs, ready: async () => {} })
      return await endingLate(() => migrate(link), { timeoutMs, end: () => link.end() }).finally(() => link.end())
    } catch (cause) {
      throw explained(cause, where)
    }
  }

  async function migrate(link: Link): ReturnType<Migration['apply']> {
    // A table of our name that is not ours must not be altered.
    const before = await layoutOf(link, where)
    if (before !== null && before > LAYOUT) throw tooNew(where, before)
    for (const statement of [...statementsFrom(before), ...more]) await link.ask(statement)
    await layoutOf(link, where)
    return { before, layout: LAYOUT }
  }
}

/** What is missing from this layout on; the views are made anew each time. */
function statementsFrom(before: number | null): readonly string[] {
  const steps = STEPS.filter(({ layout }) => layout > (before ?? 0)).flatMap(({ statements }) => statements)
  const number = `INSERT INTO ${LAYOUT_TABLE} (id, layout) VALUES (1, ${LAYOUT}) ON DUPLICATE KEY UPDATE layout = ${LAYOUT}`
  return [CREATE_LAYOUT, ...steps, ...VIEWS, number]
}

function explained(cause: unknown, where: string): HoldfastError {
  if (isTooOld(cause))
    return new ConfigurationError(
      `${where} does not know the SQL of holdfast's tables: MySQL 8.0 or MariaDB 10.6, or newer, is needed.`,
      { cause },
    )
  return failure(cause, where, { sent: true })
}
