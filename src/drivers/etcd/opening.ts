/** Addresses of etcd (address.ts has their forms). */
import type { Opening } from '../shared/opening.ts'

export const etcd: Opening = {
  schemes: ['etcd', 'etcds'],
  open: async (address, options) => (await import('../etcd.ts')).etcdStore(address, options),
}
