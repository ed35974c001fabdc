/** memcached, which forgets everything when it ends. */
import { ask } from './ask.ts'
import { HOST } from './kind.ts'
import type { ServerKind } from './kind.ts'

export const MEMCACHED: ServerKind = {
  name: 'memcached',
  programs: { memcached: 'memcached' },
  command: ({ port }) => ['memcached', `--listen=${HOST}`, `--port=${port}`, '--udp-port=0', '--memory-limit=64'],
  answers: async ({ port }) => (await ask(port, { send: 'version\r\n', until: '\n' })).startsWith('VERSION'),
  address: ({ port }) => `memcached://${HOST}:${port}`,
}
