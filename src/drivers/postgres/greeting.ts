/**
 * What is asked of a server before it gets a command: is it the one to ask, do we speak with it or with a pooler, and
 * are the tables there that we know?
 *
 * Names are written out, and operators left out, until the search path is known to be harmless: whoever may create
 * operators in a schema of it could have them run here.
 */
import { systemClock } from '../../base/clock.ts'
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import type { Dialing } from './clients/pg.ts'
import type { Source } from './client.ts'
import { migrate } from './failures.ts'
import { LAYOUT } from './layout.ts'
import { createHub } from './link.ts'
import type { Link, Wire } from './link.ts'
import { quoted } from './names.ts'

const HELLO =
  'SELECT pg_catalog.concat_ws($1, pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), ' +
  "pg_catalog.current_setting('transaction_read_only'))"
const SAFE = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)"
/** For a session of ours alone: what may end it or its statements, or have a transaction see what is over. */
const SETTINGS = `SELECT set_config(name, CASE name WHEN 'default_transaction_isolation' THEN 'read committed'
  ELSE '0' END, false)
FROM pg_settings WHERE name IN ('default_transaction_isolation', 'statement_timeout', 'transaction_timeout', 'idle_session_timeout')`

/**
 * A link to the first host that is there, may be written to, and is `accepted`.
 * @throws  what a host rejected with: the first that refuses for good, else the last
 */
export async function openLink(
  { where, dials }: Source,
  timeoutMs: number,
  accepted: (link: Link) => Promise<void> = async () => {},
): Promise<Link> {
  const until = systemClock.now() + timeoutMs
  let failed: unknown
  for (const [index, dial] of dials.entries()) {
    const share = Math.max(1, until - systemClock.now()) / (dials.length - index)
    try {
      return await openOne(dialing => dial(dialing), { where, timeoutMs: share, accepted })
    } catch (cause) {
      if (!(failed instanceof ConfigurationError)) failed = cause
    }
  }
  throw failed
}

async function openOne(
  dial: (dialing: Dialing) => Promise<Wire>,
  of: { readonly where: string; readonly timeoutMs: number; accepted(link: Link): Promise<void> },
): Promise<Link> {
  const { where, timeoutMs, accepted } = of
  const hub = createHub()
  const wire = await dial({ ears: hub, timeoutMs })
  try {
    const [answer = ''] = await wire.send({ text: HELLO, values: [' '] }, { prepared: false })
    const [pid, standby, readOnly] = answer.split(' ')
    if (standby === 't' || readOnly === 'on') throw unwritable(where, standby === 't')
    const link = hub.link(wire, Number(pid) === wire.pid)
    if (link.direct) for (const text of [SAFE, SETTINGS]) await link.ask({ text, values: [] }, timeoutMs)
    await accepted(link)
    return link
  } catch (cause) {
    wire.close()
    throw cause
  }
}

function unwritable(where: string, standby: boolean): StoreUnavailableError {
  const why = standby ? 'is a standby, which follows another server' : 'is set to be read-only'
  return new StoreUnavailableError(
    `${where} ${why}: it can keep no locks. Name the primary, or several hosts (postgres://host1,host2/database) of which one is.`,
    { ambiguous: false },
  )
}

/** @throws ConfigurationError  no tables of ours, of another layout, or changed by somebody; says what to do */
export async function refuseOtherLayouts(
  link: Link,
  { where, schema, timeoutMs }: { readonly where: string; readonly schema: string; readonly timeoutMs: number },
): Promise<void> {
  const s = quoted(schema)
  const ask = async (text: string, ...values: readonly string[]): Promise<string> =>
    (await link.ask({ text, values }, timeoutMs))[0] ?? ''
  if ((await ask('SELECT pg_catalog.concat(pg_catalog.to_regclass($1))', `${s}.holdfast_layout`)) === '')
    throw new ConfigurationError(`${where} has no tables of holdfast in schema ${schema}. ${migrate(schema)}`)
  const [, layout = '', wrong = ''] = /^(\d*) ?(.*)$/.exec(await ask(`SELECT ${s}.holdfast_found()`)) ?? []
  if (Number(layout) > LAYOUT)
    throw new ConfigurationError(
      `${where} has layout ${layout}, which a newer holdfast made; this one knows ${LAYOUT}. Upgrade holdfast.`,
    )
  if (layout !== String(LAYOUT))
    throw new ConfigurationError(`${where} has layout ${layout}, and this holdfast needs ${LAYOUT}. ${migrate(schema)}`)
  if (wrong !== '')
    throw new ConfigurationError(
      `${where} has tables in schema ${schema} that are not as holdfast makes them: ${wrong}. ` +
        'Undo what was changed, or give holdfast a schema of its own.',
    )
}
