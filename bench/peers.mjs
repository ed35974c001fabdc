// Other lock libraries on Redis, each as its documentation says, asking again every 10 ms where it waits, with leases
// of 15 s. They come from a package of their own: `npm install --prefix bench`. What is not installed is not measured,
// and is named.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

const TTL_MS = 15_000
const POLL_MS = 10
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

/** What anybody writes first. */
async function raw(client) {
  const sha = await client.script('LOAD', RELEASE)
  return async (key, task) => {
    const id = randomUUID()
    while ((await client.set(`raw:${key}`, id, 'PX', TTL_MS, 'NX')) === null) await sleep(POLL_MS)
    await task()
    await client.evalsha(sha, 1, `raw:${key}`, id)
  }
}

async function redlock(client) {
  const { default: Redlock } = await import('redlock')
  const locks = new Redlock([client], { retryCount: -1, retryDelay: POLL_MS, retryJitter: POLL_MS / 2 })
  return async (key, task) => {
    const lock = await locks.acquire([`redlock:${key}`], TTL_MS)
    await task()
    await lock.release()
  }
}

async function semaphore(client) {
  const { Mutex } = await import('redis-semaphore')
  const options = { lockTimeout: TTL_MS, acquireTimeout: 600_000, retryInterval: POLL_MS }
  return async (key, task) => {
    const mutex = new Mutex(client, `semaphore:${key}`, options)
    await mutex.acquire()
    await task()
    await mutex.release()
  }
}

async function universal(client) {
  const { createLock, IoredisAdapter } = await import('redlock-universal')
  const adapter = new IoredisAdapter(client)
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  return async (key, task) => {
    const options = { adapter, key: `universal:${key}`, ttl: TTL_MS, retryAttempts: 60_000, retryDelay: POLL_MS }
    const lock = createLock({ ...options, logger: silent })
    const handle = await lock.acquire()
    await task()
    await lock.release(handle)
  }
}

async function verrou(client) {
  const { Verrou } = await import('@verrou/core')
  const { redisStore } = await import('@verrou/core/drivers/redis')
  const locks = new Verrou({ default: 'redis', stores: { redis: { driver: redisStore({ connection: client }) } } })
  const options = { retry: { attempts: Number.POSITIVE_INFINITY, delay: POLL_MS } }
  return async (key, task) => {
    const lock = locks.createLock(`verrou:${key}`, TTL_MS)
    await lock.acquire(options)
    await task()
    await lock.release()
  }
}

export const PEERS = { raw, redlock, 'redis-semaphore': semaphore, 'redlock-universal': universal, verrou }

/** null: not installed. */
export async function openPeer(name, url) {
  const client = new Redis(url)
  await client.ping()
  try {
    return { run: await PEERS[name](client), close: async () => client.disconnect() }
  } catch (cause) {
    client.disconnect()
    if (cause?.code !== 'ERR_MODULE_NOT_FOUND') throw cause
    return null
  }
}
