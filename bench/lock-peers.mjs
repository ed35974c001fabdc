// What else there is in Node to lock on etcd, ZooKeeper, Consul and memcached, each as its documentation says, asking
// again every 10 ms where it cannot wait. They come from a package of their own: `npm install --prefix bench`. What is
// not installed is not measured, and is named.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

const TTL_S = 15
const POLL_MS = 10

/** etcd3: its Lock fails if somebody holds. */
async function etcd3(address) {
  const { Etcd3, EtcdLockFailedError } = await import('etcd3')
  const client = new Etcd3({ hosts: address.replace('etcd:', 'http:') })
  const acquire = key =>
    client
      .lock(key)
      .ttl(TTL_S)
      .acquire()
      .catch(async cause => {
        if (!(cause instanceof EtcdLockFailedError)) throw cause
        await sleep(POLL_MS)
        return acquire(key)
      })
  return {
    async run(key, task) {
      const lock = await acquire(key)
      await task()
      await lock.release()
    },
    close: async () => client.close(),
  }
}

/** consul: Consul's own recipe by its key-value store and a session; who is refused waits for the key to change. */
async function consul(address) {
  const { default: Consul } = await import('consul')
  const { hostname, port } = new URL(address.replace('consul:', 'http:'))
  const client = new Consul({ host: hostname, port: Number(port) })
  const sessions = []
  const free = []
  const newSession = async () => {
    const { ID } = await client.session.create({ ttl: `${TTL_S}s`, lockdelay: '0s' })
    sessions.push(ID)
    return ID
  }
  return {
    async run(key, task) {
      const session = free.pop() ?? (await newSession())
      for (let index = 0; !(await client.kv.set({ key, value: 'bench', acquire: session }));) {
        const found = await client.kv.get({ key, index, wait: '1s' })
        index = found?.ModifyIndex ?? 0
      }
      await task()
      await client.kv.set({ key, value: '', release: session })
      free.push(session)
    },
    close: () => Promise.all(sessions.map(id => client.session.destroy(id))),
  }
}

/** node-zookeeper-client: the recipe of ZooKeeper's documentation, which watches the node in front. */
async function zookeeper(address) {
  const { default: client } = await import('node-zookeeper-client')
  const { hostname, port } = new URL(address.replace('zookeeper:', 'http:'))
  const server = client.createClient(`${hostname}:${port}`, { sessionTimeout: TTL_S * 1_000 })
  const connected = once(server, 'connected')
  server.connect()
  await connected
  const ask = (verb, ...words) =>
    new Promise((resolve, reject) => {
      server[verb](...words, (error, answer) => (error ? reject(error) : resolve(answer)))
    })
  const mode = client.CreateMode.EPHEMERAL_SEQUENTIAL
  return {
    async run(key, task) {
      const folder = `/${key.replaceAll('/', '-')}`
      await ask('mkdirp', folder)
      const path = await ask('create', `${folder}/lock-`, Buffer.from('bench'), mode)
      for (;;) {
        const names = (await ask('getChildren', folder)).toSorted()
        const place = names.indexOf(path.slice(folder.length + 1))
        if (place === 0) break
        await new Promise((resolve, reject) => {
          const told = () => resolve()
          server.exists(`${folder}/${names[place - 1]}`, told, (error, stat) => {
            if (error) reject(error)
            else if (!stat) resolve()
          })
        })
      }
      await task()
      await ask('remove', path, -1)
    },
    close: async () => server.close(),
  }
}

/** memjs: add and delete, as memcached's wiki says. */
async function memcached(address) {
  const { default: memjs } = await import('memjs')
  const client = memjs.Client.create(address.replace('memcached://', ''))
  return {
    async run(key, task) {
      while (!(await client.add(key, 'bench', { expires: TTL_S }))) await sleep(POLL_MS)
      await task()
      await client.delete(key)
    },
    close: async () => client.quit(),
  }
}

export const PEER_OF = { etcd: 'etcd3', consul: 'consul', zookeeper: 'node-zookeeper-client', memcached: 'memjs' }
const PEERS = { etcd: etcd3, consul, zookeeper, memcached }

/** null: not installed. */
export async function openPeer(store, address) {
  try {
    return await PEERS[store](address)
  } catch (cause) {
    if (cause?.code !== 'ERR_MODULE_NOT_FOUND') throw cause
    return null
  }
}
