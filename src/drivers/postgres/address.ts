/**
 * Addresses of PostgreSQL.
 *
 *   postgres://user:password@host:5432/database?schema=locks&sslmode=verify-full
 *   postgresql://host1,host2:5433/database        the first that is there and may be written to
 */
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { parseAddress, refuseAddress } from '../shared/address.ts'
import { SCHEMA } from './layout.ts'

export type ClientPackage = 'pg' | 'postgres'

/** As `tls.connect` takes them, for an authority or a certificate of one's own. */
export interface PostgresTls {
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export interface PostgresAddress {
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** undefined: without TLS. */
  readonly tls: PostgresTls | undefined
  /** undefined: it names none. */
  readonly schema: string | undefined
  readonly applicationName: string
  /** Without the password: for people. */
  readonly shown: string
}

const FORM = {
  of: 'a PostgreSQL',
  examples: ['postgres://user:password@host:5432/database', 'postgres://host/database?schema=locks&sslmode=require'],
}
const PORT = 5_432
const PARAMETERS = ['schema', 'sslmode', 'sslrootcert', 'application_name']
/** libpq's, but for those that would go on without TLS. */
const TLS_MODES: Readonly<Record<string, PostgresTls | undefined>> = {
  disable: undefined,
  require: { rejectUnauthorized: false },
  'no-verify': { rejectUnauthorized: false },
  'verify-full': {},
}

/** @throws ConfigurationError */
export function postgresAddress(text: string, options: { readonly tls?: PostgresTls } = {}): PostgresAddress {
  const { scheme, username, password, hosts, path, parameters, shown } = parseAddress(text, FORM)
  const refuse = (why: string): never => refuseAddress(text, { ...FORM, why })
  if (!/^postgres(?:ql)?$/.test(scheme)) return refuse(`it begins with ${scheme}:`)
  const [database = '', ...more] = path
  if (more.length > 0) return refuse('behind the host there is more than the name of a database')
  for (const name of parameters.keys())
    if (!PARAMETERS.includes(name))
      return refuse(
        `the parameter ${name} is unknown; there are ${PARAMETERS.join(', ')}. For others pass a client of your own`,
      )
  const mode = parameters.get('sslmode') ?? 'disable'
  if (!(mode in TLS_MODES)) return refuse(`sslmode must be one of ${Object.keys(TLS_MODES).join(', ')}`)
  const user = username ?? userInfo().username
  const ca = parameters.get('sslrootcert')
  const tls = TLS_MODES[mode] && { ...TLS_MODES[mode], ...(ca !== undefined && { ca: certificate(ca, refuse) }) }
  return {
    hosts: hosts.map(({ host, port = PORT }) => ({ host, port })),
    user,
    password,
    database: database === '' ? user : database,
    tls: options.tls === undefined ? tls : { ...tls, ...options.tls },
    schema: parameters.get('schema'),
    applicationName: parameters.get('application_name') ?? 'holdfast',
    shown,
  }
}

/** The schema that is meant: the option, then the address. */
export function schemaOf(option: string | undefined, address: PostgresAddress | undefined): string {
  return option ?? address?.schema ?? SCHEMA
}

function certificate(path: string, refuse: (why: string) => never): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    return refuse(`sslrootcert cannot be read (${cause instanceof Error ? cause.message : String(cause)})`)
  }
}
