// Locks on ZooKeeper beside the recipe of its documentation ("Locks": make an ephemeral sequential node, read the
// children, hold if there is none in front; unlocking deletes it), through the same client.
//
//   npm run bench -- zookeeper [--rounds 15] [--seconds 1] [--only solo,queue]
//
// The server is one of its own, and does not wait for the disk. `holdfast` acquires and releases, `driver` is the store
// without what stands on it.
import { createLocks } from '../dist/index.js'
import { zookeeperStore } from '../dist/drivers/zookeeper.js'
import { dial } from '../dist/drivers/zookeeper/client.js'
import { alone, ANY, childrenOf, makePersistent, removeNode } from '../dist/drivers/zookeeper/statements.js'
import { ZOOKEEPER } from '../dist/servers/zookeeper.js'
import { besideTheRecipe, driverSection } from './recipe.mjs'

const ROOT = '/recipe'
const EPHEMERAL_SEQUENTIAL = 3

function makeSequential(folder) {
  return {
    ...makePersistent(`${folder}/lock-`, 'all'),
    write(to) {
      to.text(`${folder}/lock-`)
      to.bytes(Buffer.from('holder'))
      to.int(1)
      to.int(31)
      to.text('world')
      to.text('anyone')
      to.int(EPHEMERAL_SEQUENTIAL)
    },
    read: from => from.text(),
  }
}

await besideTheRecipe(ZOOKEEPER, async address => {
  const { hostname, port } = new URL(address.replace('zookeeper:', 'http:'))
  // The connection alone keeps no process alive.
  const awake = setInterval(() => {}, 60_000)
  const greeting = { session: null, ms: 15_000, login: null, beatMs: 1_000 }
  const link = await dial({ host: hostname, port: Number(port) }, greeting, 5_000)
  await link.ask(makePersistent(ROOT, 'all'))
  const made = new Set()

  async function folderOf(name) {
    const folder = `${ROOT}/${name}`
    if (!made.has(name)) await link.ask(makePersistent(folder, 'all'))
    made.add(name)
    return folder
  }

  async function recipe(name) {
    const folder = await folderOf(name)
    const { value: path } = await link.ask(makeSequential(folder))
    const { value: children } = await link.ask(childrenOf(folder))
    if (`${folder}/${children.toSorted()[0]}` !== path) throw new Error('it was free')
    await link.ask(alone(removeNode(path, ANY)))
  }

  const [store, locks] = [zookeeperStore(address), createLocks(zookeeperStore(address), { ttl: '15s' })]
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
      clearInterval(awake)
    },
  }
})
