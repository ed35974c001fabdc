// Locks on memcached beside the recipe of its wiki ("Ghetto Central Locking": add to take a lock, delete to give it
// back), through the same transport.
//
//   npm run bench -- memcached [--rounds 15] [--seconds 1] [--only solo,queue]
//
// The recipe is two round trips: it deletes without comparing, and so frees the lock of whoever came after it. Holdfast
// compares whenever it writes, and takes four, so half is what there is to reach.
import { createLocks } from '../dist/index.js'
import { memcachedStore } from '../dist/drivers/memcached.js'
import { dial, remove, set } from '../dist/drivers/memcached/client.js'
import { MEMCACHED } from '../dist/servers/memcached.js'
import { besideTheRecipe, driverSection } from './recipe.mjs'

const GOAL = 0.3

await besideTheRecipe(
  MEMCACHED,
  async address => {
    const { hostname, port } = new URL(address.replace('memcached:', 'http:'))
    const link = await dial({ host: hostname, port: Number(port) }, 5_000)

    async function recipe(name) {
      const [added] = await link.ask([set(`recipe:${name}`, 'bench', 'T15 ME')])
      if (added.status !== 'HD') throw new Error('it was free')
      await link.ask([remove(`recipe:${name}`, '')])
    }

    const [store, locks] = [memcachedStore(address), createLocks(memcachedStore(address), { ttl: '15s' })]
    return {
      sections: {
        recipe,
        holdfast: async key => (await locks.acquire(`locks/${key}`)).release(),
        driver: driverSection(store),
      },
      async close() {
        await locks.close()
        await store.close()
        link.end()
      },
    }
  },
  { goal: GOAL },
)
