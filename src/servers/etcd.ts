/**
 * etcd: alone, alone behind TLS and a password, or as a member of several. A member talks to the others on the port
 * after its own.
 */
import { readFileSync } from 'node:fs'
import { fetchText, postTo } from './ask.ts'
import { certificateOf, MAKE_CERTIFICATE } from './certificate.ts'
import { HOST } from './kind.ts'
import type { Place, ServerKind } from './kind.ts'

export const ETCD: ServerKind = {
  name: 'etcd',
  programs: { etcd: 'etcd-server' },
  ports: 2,
  command: ({ port }) => commandOf('alone', port, `alone=${peer(port)}`),
  // A member without a majority says that it is not healthy.
  answers: async ({ port }) => (await fetchText(`http://${HOST}:${port}/health`)).includes('"true"'),
  address: ({ port }) => `etcd://${HOST}:${port}`,
}

/** One of several, which all know the ports of all. */
export function etcdMember(members: readonly number[]): ServerKind {
  const all = members.map(port => `m${port}=${peer(port)}`).join(',')
  return { ...ETCD, command: ({ port }: Place) => commandOf(`m${port}`, port, all) }
}

/** Whether the member on this port leads the others. false: it does not answer. */
export async function isLeader(port: number): Promise<boolean> {
  const said = await fetchText(`http://${HOST}:${port}/v3/maintenance/status`, { method: 'POST', body: '{}' })
  const id = /"member_id":"(\d+)"/.exec(said)?.[1]
  return id !== undefined && said.includes(`"leader":"${id}"`)
}

const PASSWORD = 'holdfast'

/** Lets in who trusts its certificate and is user `root`, with a password. */
export const ETCD_TLS: ServerKind = {
  ...ETCD,
  name: 'etcd-tls',
  programs: { ...ETCD.programs, openssl: 'openssl' },
  firstData: () => [MAKE_CERTIFICATE],
  command(place) {
    const { key, certificate } = certificateOf(place)
    const own = `https://${HOST}:${place.port}`
    return [
      ...['etcd', '--name', 'alone', '--data-dir', 'data', '--log-level', 'warn', '--logger', 'zap'],
      ...['--listen-client-urls', own, '--advertise-client-urls', own, '--cert-file', certificate, '--key-file', key],
      ...['--listen-peer-urls', peer(place.port), '--initial-advertise-peer-urls', peer(place.port)],
      ...['--initial-cluster', `alone=${peer(place.port)}`],
    ]
  },
  answers: async place => (await tell(place, 'maintenance/status', {})) !== '',
  // Said again to one that knows, it is refused: then it wants the password already.
  async complete(place) {
    await tell(place, 'auth/user/add', { name: 'root', password: PASSWORD })
    await tell(place, 'auth/role/add', { name: 'root' })
    await tell(place, 'auth/user/grant', { user: 'root', role: 'root' })
    await tell(place, 'auth/enable', {})
  },
  address: ({ port }) => `etcd://root:${PASSWORD}@${HOST}:${port}`,
  more: place => ({ CA: certificateOf(place).certificate }),
}

/** What it answers by HTTP, if only that it refuses. */
function tell(place: Place, call: string, body: object): Promise<string> {
  const ca = readFileSync(certificateOf(place).certificate)
  return postTo({ host: HOST, port: place.port, path: `/v3/${call}`, ca }, JSON.stringify(body))
}

function commandOf(name: string, port: number, all: string): readonly string[] {
  const clients = `http://${HOST}:${port}`
  return [
    ...['etcd', '--name', name, '--data-dir', 'data', '--log-level', 'warn', '--logger', 'zap'],
    ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
    ...['--listen-peer-urls', peer(port), '--initial-advertise-peer-urls', peer(port)],
    ...['--initial-cluster', all, '--initial-cluster-token', all],
  ]
}

function peer(port: number): string {
  return `http://${HOST}:${port + 1}`
}
