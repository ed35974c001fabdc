/** Addresses of Redis and Valkey (address.ts has their forms). */
import type { Opening } from '../shared/opening.ts'

const SERVERS = ['redis', 'rediss', 'valkey', 'valkeys']

export const redis: Opening = {
  schemes: SERVERS.flatMap(server => [server, `${server}+sentinel`, `${server}+cluster`]),
  open: async (address, options) => (await import('../redis.ts')).redisStore(address, options),
}
