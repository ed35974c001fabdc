/**
 * Consul: one server that elects itself quickly, or one of several, with two ports after its own. Sessions as short as
 * 1 s are let in, where Consul's own least is 10 s. Debian dropped it after bullseye.
 */
import { join } from 'node:path'
import { fetchText } from './ask.ts'
import { TOOLS } from './find.ts'
import { HOST } from './kind.ts'
import type { Place, ServerKind } from './kind.ts'

export const CONSUL: ServerKind = {
  name: 'consul',
  programs: { consul: null },
  folders: [join(TOOLS, 'consul', 'usr', 'bin')],
  fetch: { from: 'suite', tool: 'consul', suite: 'bullseye', extent: 'alone', packages: ['consul'] },
  ports: 3,
  command: place => commandOf(place),
  answers: async ({ port }) => (await fetchText(`http://${HOST}:${port}/v1/status/leader`)).includes(':'),
  address: ({ port }) => `consul://${HOST}:${port}`,
}

const TOKEN = '3f1c1a52-7f1b-4f6e-9a53-2b1d8b7a5c10'

/** One of several, which all know the ports of all. */
export function consulMember(members: readonly number[]): ServerKind {
  return { ...CONSUL, command: place => commandOf(place, '', members) }
}

/** Refuses whoever brings no token; who brings this one may do everything. */
export const CONSUL_ACL: ServerKind = {
  ...CONSUL,
  name: 'consul-acl',
  command: place =>
    commandOf(
      place,
      `acl{enabled=true default_policy="deny" enable_token_persistence=false tokens{master="${TOKEN}"}}`,
    ),
  more: () => ({ TOKEN }),
}

function commandOf({ port }: Place, more = '', members: readonly number[] = [port]): readonly string[] {
  const settings = 'disable_update_check=true retry_interval="1s" session_ttl_min="1s" leave_on_terminate=false'
  return [
    ...['consul', 'agent', '-server', `-bootstrap-expect=${members.length}`, '-data-dir=data'],
    ...[`-node=test-${port}`, '-disable-host-node-id'],
    ...members.filter(member => member !== port).map(member => `-retry-join=${HOST}:${member + 2}`),
    ...[`-bind=${HOST}`, `-client=${HOST}`, `-http-port=${port}`, `-server-port=${port + 1}`],
    ...[`-serf-lan-port=${port + 2}`, '-serf-wan-port=-1', '-dns-port=-1', '-grpc-port=-1', '-log-level=warn'],
    ...['-hcl', `${settings} performance{raft_multiplier=1} limits{http_max_conns_per_client=4096} ${more}`],
  ]
}
