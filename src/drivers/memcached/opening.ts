/** Addresses of one memcached or several. */
import type { Opening } from '../shared/opening.ts'

export const memcached: Opening = {
  schemes: ['memcached'],
  open: async (address, options) => (await import('../memcached.ts')).memcachedStore(address, options),
}
