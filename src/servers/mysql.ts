/**
 * MariaDB (Debian's) and MySQL (in none of Debian's stable suites: it is taken from unstable with all its libraries,
 * the loader and libc included). User `test` owns database `test` and gives the password `test`.
 *
 * What is committed outlives a killed server, not a power cut.
 */
import { join } from 'node:path'
import { ask } from './ask.ts'
import { TOOLS } from './find.ts'
import { HOST } from './kind.ts'
import type { Place, ServerKind } from './kind.ts'

/** Run at every start, one statement a line. */
const FIRST_STATEMENTS = `CREATE DATABASE IF NOT EXISTS test;
CREATE USER IF NOT EXISTS test@'%' IDENTIFIED BY 'test';
GRANT ALL ON *.* TO test@'%' WITH GRANT OPTION;
`

const COMMON = {
  files: (): Readonly<Record<string, string>> => ({ 'first.sql': FIRST_STATEMENTS }),
  // The port is open before the first statements have run, the greeting comes after.
  answers: async ({ port }: Place): Promise<boolean> => (await ask(port, { send: '', until: '' })) !== '',
  address: ({ port }: Place): string => `mysql://test:test@${HOST}:${port}/test`,
}

export const MARIADB: ServerKind = {
  ...COMMON,
  name: 'mariadb',
  programs: {
    mariadbd: 'mariadb-server-core',
    'mariadb-install-db': 'mariadb-server-core',
    // A program that the installation of a database calls.
    my_print_defaults: 'mariadb-client-core',
  },
  firstData: ({ home }) => [
    {
      words: [
        ...['mariadb-install-db', '--no-defaults', `--datadir=${join(home, 'data')}`],
        ...['--auth-root-authentication-method=normal', '--skip-test-db', '--skip-log-bin'],
      ],
    },
  ],
  command: place => [
    ...['mariadbd', '--no-defaults', ...common(place), '--skip-name-resolve', '--innodb-log-file-size=16M'],
    '--performance-schema=OFF',
  ],
}

const ROOT = join(TOOLS, 'mysql')
const LIBRARIES = join(ROOT, 'usr', 'lib', 'x86_64-linux-gnu')
const LOADER = join(LIBRARIES, 'ld-linux-x86-64.so.2')
const MYSQLD = join(ROOT, 'usr', 'sbin', 'mysqld')

export const MYSQL: ServerKind = {
  ...COMMON,
  name: 'mysql',
  programs: { [MYSQLD]: null, [LOADER]: null },
  fetch: { from: 'suite', tool: 'mysql', suite: 'sid', extent: 'complete', packages: ['mysql-server-core'] },
  stale: ['socket.lock', 'data/socket.lock'],
  firstData: place => [{ words: [...mysqld(place), '--initialize-insecure'] }],
  command: mysqld,
}

function mysqld(place: Place): readonly string[] {
  const libraries = [LIBRARIES, join(ROOT, 'usr', 'lib', 'mysql', 'private'), join(ROOT, 'usr', 'lib')].join(':')
  const share = join(ROOT, 'usr', 'share', 'mysql')
  return [
    ...[LOADER, '--library-path', libraries, MYSQLD, '--no-defaults', ...common(place)],
    ...[`--lc-messages-dir=${share}`, `--character-sets-dir=${join(share, 'charsets')}`],
    `--plugin-dir=${join(ROOT, 'usr', 'lib', 'mysql', 'plugin')}`,
    ...['--secure-file-priv=NULL', '--mysqlx=OFF', '--skip-log-bin'],
  ]
}

function common({ home, port }: Place): readonly string[] {
  return [
    ...[`--datadir=${join(home, 'data')}`, `--port=${port}`, `--bind-address=${HOST}`, '--socket=socket'],
    // When a server starts it removes the temporary tables that lie there, whosever they are.
    `--tmpdir=${home}`,
    ...['--pid-file=server.pid', `--init-file=${join(home, 'first.sql')}`, '--max-connections=200'],
    ...['--innodb-buffer-pool-size=64M', '--innodb-flush-log-at-trx-commit=2'],
  ]
}
