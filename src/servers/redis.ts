/**
 * Redis and Valkey: alone, durable, with a password, with TLS, as a replica, as a node of a cluster; and Sentinel.
 *
 * Nothing is written to disk, so a killed server comes back empty, as a cache does. Only a durable one has what it
 * confirmed: a redlock gives no vote to a node that may have forgotten, so new ones would refuse for a minute.
 */
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { ask } from './ask.ts'
import { certificateOf, MAKE_CERTIFICATE } from './certificate.ts'
import { TOOLS } from './find.ts'
import { HOST } from './kind.ts'
import type { Place, ServerKind } from './kind.ts'

const PASSWORD = 'holdfast'

export const REDIS: ServerKind = redis('redis')

/** Has what it confirmed on disk before it confirms. */
export const REDIS_DURABLE: ServerKind = redis('redis-durable', () => ['appendonly yes', 'appendfsync always'])

export const REDIS_PASSWORD: ServerKind = {
  ...redis('redis-password', () => [`requirepass ${PASSWORD}`]),
  address: ({ port }) => `redis://:${PASSWORD}@${HOST}:${port}`,
}

export const REDIS_TLS: ServerKind = {
  ...redis('redis-tls', place => {
    const { key, certificate } = certificateOf(place)
    return [
      ...['port 0', `tls-port ${place.port}`, 'tls-auth-clients no', `requirepass ${PASSWORD}`],
      ...[`tls-ca-cert-file ${certificate}`, `tls-cert-file ${certificate}`, `tls-key-file ${key}`],
    ]
  }),
  programs: { 'redis-server': 'redis-server', openssl: 'openssl' },
  firstData: () => [MAKE_CERTIFICATE],
  answers: place => serves(place.port, port => overTls(place, port)),
  address: ({ port }) => `rediss://:${PASSWORD}@${HOST}:${port}`,
  more: place => ({ CA: certificateOf(place).certificate }),
}

export const VALKEY: ServerKind = {
  ...redis('valkey'),
  programs: { 'valkey-server': null },
  folders: [join(TOOLS, 'valkey', 'usr', 'bin')],
  fetch: {
    from: 'suite',
    tool: 'valkey',
    suite: 'backports',
    extent: 'alone',
    packages: ['valkey-server', 'valkey-tools'],
    libraries: ['redis-tools', 'libjemalloc2', 'liblzf1'],
  },
  command: () => ['valkey-server', 'redis.conf'],
  address: ({ port }) => `valkey://${HOST}:${port}`,
}

/** A copy of the server on `primary`, another port of the loopback. It serves once it has copied. */
export function replicaOf(primary: number): ServerKind {
  return {
    ...redis('redis-replica', () => [`replicaof ${HOST} ${primary}`]),
    async answers({ port }) {
      const until = 'master_last_io'
      return (await ask(port, { send: 'INFO replication\r\n', until })).includes('master_link_status:up')
    },
  }
}

/** Not yet of any cluster. The bus between nodes is three ports above a node's own. */
export const CLUSTER_NODE: ServerKind = {
  ...redis('cluster-node', ({ port }) => [
    ...['cluster-enabled yes', 'cluster-node-timeout 2000', `cluster-port ${port + 3}`],
  ]),
  programs: { 'redis-server': 'redis-server', 'redis-cli': 'redis-tools' },
}

/** Sentinel watches with others, as many of whom have to agree, over a primary that it calls mymaster. */
export interface Watch {
  readonly primary: number
  readonly quorum: number
  /** After so long without an answer the primary is down. Default: 1,000. */
  readonly downAfterMs?: number
}

export function sentinelOf({ primary, quorum, downAfterMs = 1_000 }: Watch): ServerKind {
  const orders = [
    `sentinel monitor mymaster ${HOST} ${primary} ${quorum}`,
    `sentinel down-after-milliseconds mymaster ${downAfterMs}`,
    `sentinel failover-timeout mymaster ${5 * downAfterMs}`,
  ]
  return {
    ...REDIS,
    name: 'sentinel',
    files: ({ port }) => ({ 'sentinel.conf': lines([...reachable(port), ...orders]) }),
    keepsFiles: true,
    command: () => ['redis-server', 'sentinel.conf', '--sentinel'],
  }
}

/**
 * Sentinel changes the part of a server at a failover, and one that is started again must keep the part it was given.
 */
export function watched(kind: ServerKind): ServerKind {
  return { ...kind, keepsFiles: true }
}

function redis(name: string, settings: (place: Place) => readonly string[] = () => []): ServerKind {
  return {
    name,
    programs: { 'redis-server': 'redis-server' },
    files: place => ({
      'redis.conf': lines([...reachable(place.port), 'save ""', 'repl-diskless-sync-delay 0', ...settings(place)]),
    }),
    command: () => ['redis-server', 'redis.conf'],
    answers: ({ port }) => serves(port),
    address: ({ port }) => `redis://${HOST}:${port}`,
  }
}

function reachable(port: number): readonly string[] {
  return [`port ${port}`, `bind ${HOST}`, 'protected-mode no', 'dir data']
}

function lines(words: readonly string[]): string {
  return `${words.join('\n')}\n`
}

/** One that wants a password serves too. "-LOADING ..." is an answer, but not the one that is waited for. */
async function serves(port: number, connection?: (port: number) => Socket): Promise<boolean> {
  const how = connection === undefined ? {} : { connect: connection }
  return /^(\+PONG|-NOAUTH)/.test(await ask(port, { send: 'PING\r\n', until: '\n', ...how }))
}

function overTls(place: Place, port: number): Socket {
  return connect({ host: HOST, port, ca: readFileSync(certificateOf(place).certificate) })
}
