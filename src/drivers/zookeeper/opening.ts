/** Addresses of ZooKeeper (address.ts has their form). */
import type { Opening } from '../shared/opening.ts'

export const zookeeper: Opening = {
  schemes: ['zookeeper'],
  open: async (address, options) => (await import('../zookeeper.ts')).zookeeperStore(address, options),
}
