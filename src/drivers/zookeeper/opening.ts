/** Addresses of ZooKeeper (address.ts has their form). */
import type { Opening } from '../shared/opening.ts'

export const zookeeper: Opening = {
  // The second is refused, with what to do instead.
  schemes: ['zookeeper', 'zookeepers'],
  open: async (address, options) => (await import('../zookeeper.ts')).zookeeperStore(address, options),
}
