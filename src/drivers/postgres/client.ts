/** The clients that people have, told by their shape; and which of the packages opens an address. */
import { ConfigurationError } from '../../base/errors.ts'
import { installed } from '../shared/package.ts'
import type { ClientPackage, PostgresAddress } from './address.ts'
import { dialLike, dialPg, isClient, isPool, lendOfPool } from './clients/pg.ts'
import type { Dialing, PgLike } from './clients/pg.ts'
import { dialLikeSql, dialPostgresJs, isPostgresJs } from './clients/postgres-js.ts'
import type { PostgresJsLike } from './clients/postgres-js.ts'
import type { Wire } from './link.ts'

export type { PgLike } from './clients/pg.ts'
export type { PostgresJsLike } from './clients/postgres-js.ts'
export type PostgresLike = PgLike | PostgresJsLike

const PASSED = 'the PostgreSQL client that was passed'

/** Connections come from here, each a new one. */
export interface Source {
  /** For messages: the address without its password. */
  readonly where: string
  /** One for each host, to be tried in this order. */
  readonly dials: readonly ((dialing: Dialing) => Promise<Wire>)[]
}

/** @throws ConfigurationError  none of the clients that we know */
export function sourceOfClient(client: object): Source {
  if (isPool(client)) return { where: PASSED, dials: [dialing => lendOfPool(client, dialing)] }
  if (isClient(client)) return { where: PASSED, dials: [dialing => dialLike(client, dialing)] }
  if (isPostgresJs(client)) {
    const dial = async (dialing: Dialing): Promise<Wire> => {
      const { module } = await installed({ names: ['postgres'], where: PASSED })
      return dialLikeSql(module, client, dialing)
    }
    return { where: PASSED, dials: [dial] }
  }
  throw new ConfigurationError(
    'This is no PostgreSQL client that holdfast knows. Pass a Pool or a Client of pg, the sql of postgres (postgres.js), or an address such as postgres://localhost/database.',
  )
}

export function sourceOfAddress(
  address: PostgresAddress,
  { package: wanted }: { readonly package?: ClientPackage },
): Source {
  const names: readonly [ClientPackage, ...ClientPackage[]] = wanted === undefined ? ['pg', 'postgres'] : [wanted]
  const { hosts, shown: where } = address
  const dials = hosts.map(({ host, port }) => async (dialing: Dialing): Promise<Wire> => {
    const { name, module } = await installed({ names, where })
    const dial = name === 'pg' ? dialPg : dialPostgresJs
    return dial(module, { ...address, host, port }, dialing)
  })
  return { where, dials }
}
