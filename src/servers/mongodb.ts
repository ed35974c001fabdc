/**
 * MongoDB, where somebody has put a mongod: MONGOD_BINARY, or one on the PATH. Neither Debian nor npm has one. It is
 * one server and no replica set: no change streams, no transactions.
 */
import { ask } from './ask.ts'
import { HOST } from './kind.ts'
import type { ServerKind } from './kind.ts'

const PROGRAM = process.env['MONGOD_BINARY'] ?? 'mongod'

export const MONGODB: ServerKind = {
  name: 'mongodb',
  programs: { [PROGRAM]: null },
  hint: 'Set MONGOD_BINARY to one',
  command: ({ port }) => [
    ...[PROGRAM, '--dbpath', 'data', '--bind_ip', HOST, '--port', String(port), '--nounixsocket', '--quiet'],
  ],
  // Asked as a browser would, it says that one tries to reach it over HTTP.
  answers: async ({ port }) =>
    (await ask(port, { send: 'GET / HTTP/1.0\r\n\r\n', until: 'MongoDB' })).includes('MongoDB'),
  address: ({ port }) => `mongodb://${HOST}:${port}/test`,
}
