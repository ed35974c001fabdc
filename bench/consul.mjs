// Locks on Consul beside Consul's own recipe (a session, `?acquire` of one key with it, `?release`), through the same
// transport.
//
//   npm run bench -- consul [--rounds 15] [--seconds 1] [--only solo,queue]
//
// The server is one of its own. `holdfast` acquires and releases, `driver` is the store without what stands on it.
import { createLocks } from '../dist/index.js'
import { consulStore } from '../dist/drivers/consul.js'
import { createHttp } from '../dist/drivers/shared/http.js'
import { CONSUL } from '../dist/servers/consul.js'
import { besideTheRecipe, driverSection } from './recipe.mjs'

const IO = { timeoutMs: 5_000 }

await besideTheRecipe(CONSUL, async address => {
  const { hostname, port } = new URL(address.replace('consul:', 'http:'))
  const http = createHttp({ name: 'consul', hosts: [{ host: hostname, port: Number(port) }], tls: null })
  const call = async (path, body = '') =>
    JSON.parse((await http.send({ method: 'PUT', path: `/v1/${path}`, body }, IO)).text)
  const { ID } = await call('session/create', JSON.stringify({ TTL: '60s', LockDelay: '0s' }))
  const alive = setInterval(() => void call(`session/renew/${ID}`), 20_000)

  async function recipe(name) {
    if (!(await call(`kv/recipe/${name}?acquire=${ID}`, 'bench'))) throw new Error('it was free')
    await call(`kv/recipe/${name}?release=${ID}`)
  }

  const [store, locks] = [consulStore(address), createLocks(consulStore(address), { ttl: '15s' })]
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
