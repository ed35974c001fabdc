/**
 * Addresses of MySQL and MariaDB.
 *
 *   mysql://user:password@host:3306/database      mariadb:// the same
 *   mysql://user:password@host/database?ssl-mode=REQUIRED         encrypted, whoever answers
 *   mysql://user:password@host/database?ssl-mode=VERIFY_IDENTITY  encrypted, and the server's certificate is checked
 *   mysql://user@localhost/database?socket=/run/mysqld/mysqld.sock
 */
import { parseAddress, refuseAddress } from '../shared/address.ts'

/** As `tls.connect` takes them, for an authority or a certificate of one's own. */
export interface MysqlTls {
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export interface MysqlAddress {
  readonly host: string
  readonly port: number
  readonly socket: string | undefined
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string
  /** undefined: not encrypted. */
  readonly tls: MysqlTls | undefined
  /** Without the password: for people. */
  readonly shown: string
}

const FORM = {
  of: 'a MySQL or MariaDB',
  examples: ['mysql://user:password@host:3306/database', 'mysql://user@localhost/database?socket=/run/mysqld.sock'],
}
const PORT = 3_306
const MODES: Readonly<Record<string, MysqlTls | undefined>> = {
  DISABLED: undefined,
  REQUIRED: { rejectUnauthorized: false },
  VERIFY_IDENTITY: { rejectUnauthorized: true },
}

/** @throws ConfigurationError */
export function mysqlAddress(text: string, tls?: MysqlTls): MysqlAddress {
  const { scheme, hosts, path, parameters, username, password, shown } = parseAddress(text, FORM)
  const refuse = (why: string): never => refuseAddress(text, { ...FORM, why })
  const [first = { host: 'localhost', port: PORT }, ...others] = hosts
  const [database = '', ...more] = path
  const mode = (parameters.get('ssl-mode') ?? (tls === undefined ? 'DISABLED' : 'VERIFY_IDENTITY')).toUpperCase()
  const strange = [...parameters.keys()].filter(name => name !== 'ssl-mode' && name !== 'socket')
  if (scheme !== 'mysql' && scheme !== 'mariadb') return refuse('it begins with another scheme')
  if (others.length > 0) return refuse('it names several servers, which would not know of each other')
  if (database === '' || more.length > 0) return refuse('the name of one database must stand after the host')
  if (strange.length > 0) return refuse(`there is no parameter "${strange.join('", "')}", only ssl-mode and socket`)
  if (!Object.hasOwn(MODES, mode)) return refuse(`ssl-mode must be one of ${Object.keys(MODES).join(', ')}`)
  if (tls !== undefined && mode === 'DISABLED') return refuse('it disables TLS, for which options are given')
  return {
    host: first.host,
    port: first.port ?? PORT,
    socket: parameters.get('socket'),
    user: username,
    password,
    database,
    tls: mode === 'DISABLED' ? undefined : { ...MODES[mode], ...tls },
    shown,
  }
}
