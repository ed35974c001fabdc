// Locks on etcd beside etcd's own recipe (client/v3/concurrency: a session's lease, a key under it, a transaction that
// puts it and reads who was first; unlocking deletes it), through the same transport.
//
//   npm run bench -- etcd [--rounds 15] [--seconds 1] [--only solo,queue]
//
// The server is one of its own. `holdfast` acquires and releases, `driver` is the store without what stands on it.
import { randomUUID } from 'node:crypto'
import { createLocks } from '../dist/index.js'
import { etcdStore } from '../dist/drivers/etcd.js'
import { createHttp } from '../dist/drivers/shared/http.js'
import { ETCD } from '../dist/servers/etcd.js'
import { besideTheRecipe, driverSection } from './recipe.mjs'

const IO = { timeoutMs: 5_000 }
const base64 = text => Buffer.from(text).toString('base64')

await besideTheRecipe(ETCD, async address => {
  const { hostname, port } = new URL(address.replace('etcd:', 'http:'))
  const http = createHttp({ name: 'etcd', hosts: [{ host: hostname, port: Number(port) }], tls: null })
  const call = async (path, body) =>
    JSON.parse((await http.send({ method: 'POST', path: `/v3/${path}`, body: JSON.stringify(body) }, IO)).text)
  const lease = (await call('lease/grant', { TTL: '60' })).ID
  const alive = setInterval(() => void call('lease/keepalive', { ID: lease }), 20_000)

  async function recipe(name) {
    const key = base64(`recipe/${name}/${lease}`)
    const prefix = { key: base64(`recipe/${name}/`), range_end: base64(`recipe/${name}0`) }
    const first = { request_range: { ...prefix, sort_order: 'ASCEND', sort_target: 'CREATE', limit: '1' } }
    const answer = await call('kv/txn', {
      compare: [{ key, target: 'CREATE', result: 'EQUAL', create_revision: '0' }],
      success: [{ request_put: { key, value: base64(randomUUID()), lease } }, first],
      failure: [{ request_range: { key } }, first],
    })
    if (answer.responses.at(-1).response_range.kvs[0].key !== key) throw new Error('it was free')
    await call('kv/deleterange', { key })
  }

  const [store, locks] = [etcdStore(address), createLocks(etcdStore(address), { ttl: '15s' })]
  return {
    sections: {
      recipe,
      holdfast: async key => (await locks.acquire(`locks/${key}`)).release(),
      driver: driverSection(store),
    },
    async close() {
      clearInterval(alive)
      await locks.close()
      await store.close()
      http.close()
    },
  }
})
