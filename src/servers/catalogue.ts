/**
 * The stores of `scripts/stores`, by name: where each listens, counted from the first port of a fleet, and which of
 * them are one together. Their order is that of every list.
 */
import { ask } from './ask.ts'
import { joinCluster } from './cluster.ts'
import { CONSUL, CONSUL_ACL } from './consul.ts'
import { ETCD, ETCD_TLS, etcdMember } from './etcd.ts'
import { HOST } from './kind.ts'
import type { ServerKind } from './kind.ts'
import { MEMCACHED } from './memcached.ts'
import { MONGODB } from './mongodb.ts'
import { MARIADB, MYSQL } from './mysql.ts'
import { pgbouncerOf } from './pgbouncer.ts'
import { POSTGRES, POSTGRES_18 } from './postgres.ts'
import {
  CLUSTER_NODE,
  REDIS,
  REDIS_DURABLE,
  REDIS_PASSWORD,
  REDIS_TLS,
  replicaOf,
  sentinelOf,
  VALKEY,
  watched,
} from './redis.ts'
import { ZOOKEEPER, zookeeperMember } from './zookeeper.ts'

/** Ports in a row of one fleet. The first is no store's (see fleet.ts). */
export const PORTS = 200

export interface Store {
  readonly name: string
  readonly kind: ServerKind
  readonly port: number
  /** The driver whose tests need it. */
  readonly driver: string
  /** The store that must run for it. */
  readonly needs?: string
}

/** Several stores under one name. */
export interface Group {
  readonly name: string
  readonly members: readonly string[]
  /** Of the whole; a pair has only those of its members. */
  readonly address?: string
  /** Makes one of them, once all run: true when they are. Called until it is. */
  join?(): Promise<boolean>
}

export interface Catalogue {
  readonly stores: readonly Store[]
  readonly groups: readonly Group[]
}

/** Of the fleet whose first port is `base`. */
export function catalogue(base: number): Catalogue {
  const at = (...offsets: readonly number[]): readonly number[] => offsets.map(offset => base + offset)
  const [postgres = 0, primary = 0, sentinelPrimary = 0] = at(61, 21, 41)
  const redlock = at(11, 12, 13, 14, 15)
  const cluster = at(31, 32, 33)
  const sentinels = at(43, 44, 45)
  const etcd = at(103, 105, 107)
  const zookeeper = at(123, 126, 129)
  const sentinel = sentinelOf({ primary: sentinelPrimary, quorum: 2 })

  return {
    stores: [
      ...of('redis', [
        one('redis', REDIS, base + 1),
        one('redis-aof', REDIS_DURABLE, base + 2),
        one('redis-password', REDIS_PASSWORD, base + 3),
        one('redis-tls', REDIS_TLS, base + 4),
        one('primary', REDIS, primary),
        { ...one('replica', replicaOf(primary), base + 22), needs: 'primary' },
        ...several('cluster', CLUSTER_NODE, cluster),
        one('sentinel-primary', watched(REDIS), sentinelPrimary),
        one('sentinel-replica', watched(replicaOf(sentinelPrimary)), base + 42),
        ...several('sentinel', sentinel, sentinels),
        one('valkey', VALKEY, base + 51),
      ]),
      ...of('redlock', several('redlock', REDIS_DURABLE, redlock)),
      ...of('postgres', [
        one('postgres', POSTGRES, postgres),
        one('postgres18', POSTGRES_18, base + 62),
        { ...one('pgbouncer', pgbouncerOf(postgres), base + 65), needs: 'postgres' },
      ]),
      ...of('mysql', [one('mariadb', MARIADB, base + 71), one('mysql', MYSQL, base + 75)]),
      ...of('memcached', [one('memcached', MEMCACHED, base + 81)]),
      ...of('etcd', [
        one('etcd', ETCD, base + 101),
        ...several('etcd3-', etcdMember(etcd), etcd),
        one('etcd-tls', ETCD_TLS, base + 111),
      ]),
      ...of('zookeeper', [
        one('zookeeper', ZOOKEEPER, base + 121),
        ...several('zookeeper3-', zookeeperMember(zookeeper), zookeeper),
      ]),
      ...of('consul', [one('consul', CONSUL, base + 141), one('consul-acl', CONSUL_ACL, base + 145)]),
      ...of('mongodb', [one('mongodb', MONGODB, base + 151)]),
    ],
    groups: [
      { ...group('redlock', redlock), address: `redlock://${places(redlock)}` },
      { name: 'pair', members: ['primary', 'replica'] },
      { ...group('cluster', cluster), address: `redis+cluster://${places(cluster)}`, join: () => joinCluster(cluster) },
      {
        name: 'sentinel',
        members: ['sentinel-primary', 'sentinel-replica', 'sentinel1', 'sentinel2', 'sentinel3'],
        address: `redis+sentinel://${places(sentinels)}/mymaster`,
        join: async () => (await Promise.all(sentinels.map(canFailOver))).every(Boolean),
      },
      { ...group('etcd3-', etcd), name: 'etcd3', address: `etcd://${places(etcd)}` },
      { ...group('zookeeper3-', zookeeper), name: 'zookeeper3', address: `zookeeper://${places(zookeeper)}` },
    ],
  }
}

type Undriven = Omit<Store, 'driver'>

function of(driver: string, stores: readonly Undriven[]): readonly Store[] {
  return stores.map(store => ({ ...store, driver }))
}

function one(name: string, kind: ServerKind, port: number): Undriven {
  return { name, kind, port }
}

function several(name: string, kind: ServerKind, ports: readonly number[]): readonly Undriven[] {
  return ports.map((port, index) => one(`${name}${index + 1}`, kind, port))
}

function group(name: string, ports: readonly number[]): Group {
  return { name, members: ports.map((_, index) => `${name}${index + 1}`) }
}

function places(ports: readonly number[]): string {
  return ports.map(port => `${HOST}:${port}`).join(',')
}

/** A Sentinel that knows a replica to promote, and two others to agree with. */
async function canFailOver(port: number): Promise<boolean> {
  const replicas = await ask(port, { send: 'SENTINEL REPLICAS mymaster\r\n', until: '\n' })
  const agreed = await ask(port, { send: 'SENTINEL CKQUORUM mymaster\r\n', until: '\n' })
  return /^\*[1-9]/.test(replicas) && agreed.startsWith('+OK 3')
}
