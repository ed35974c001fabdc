// What a crowd of waiters costs everybody else on a Redis.
//
//   npm run proof:waiters [-- --store redis://... --waiters 2000 --seconds 8]
//
// Processes with hundreds of waiters each queue for one key, strictly, so that each has a ticket of its own. A holder
// with a short and one with a long ttl lives or is killed (-9); in the last round a process dies with all its waiters,
// and they stand in front. Meanwhile a connection of its own asks PING: what it waits for is what any other user of the
// server waits for. A second server, which nobody uses, is asked in the same way: what its answers take is the
// machine's doing, and is taken off. Nobody may lose a lease, and where the holder died the next must hold within its
// ttl and a little.
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { open } from '../dist/index.js'
import { hostNow, judge, quantile, start, tell, told } from './proving.mjs'
import { startServer } from './redis-server.mjs'

const PROCESSES = 4
const PING_EVERY_MS = 5
const WORST_PING_MS = 100
/** A life of a waiter that was just refreshed, and a turn of a busy machine. */
const WAITER_LIFE_MS = 5_000
const ALLOWED_MS = 500
const ROUNDS = [
  { ttlMs: 2_000, dies: 'nobody' },
  { ttlMs: 15_000, dies: 'nobody' },
  { ttlMs: 2_000, dies: 'the holder' },
  { ttlMs: 15_000, dies: 'the holder' },
  { ttlMs: 2_000, dies: 'a quarter of the waiters' },
]

const program = fileURLToPath(import.meta.url)
const [role, ...words] = process.argv.slice(2)
if (role === 'hold') await hold(...words)
else if (role === 'wait') await wait(...words)
else await main()

async function main() {
  const { values } = parseArgs({
    options: {
      store: { type: 'string' },
      waiters: { type: 'string', default: '2000' },
      seconds: { type: 'string', default: '8' },
    },
  })
  const server = values.store === undefined ? await startServer() : { url: values.store, async stop() {} }
  const idle = await startServer()
  const settings = {
    url: server.url,
    idleUrl: idle.url,
    each: Math.ceil(Number(values.waiters) / PROCESSES),
    ms: values.seconds * 1_000,
  }
  const judgements = []
  for (const [index, plan] of ROUNDS.entries()) {
    const { pings, idlePings, lost, nextMs } = await round({
      ...settings,
      ...plan,
      key: `proof:waiters:${process.pid}:${index}`,
    })
    const what = `${settings.each * PROCESSES} waiters, ttl ${plan.ttlMs} ms, ${plan.dies} dies`
    const [p99, worst] = [0.99, 1].map(share => quantile(pings, share).toFixed(1))
    const idleWorst = quantile(idlePings, 1).toFixed(1)
    const next = nextMs === null ? '' : `, the next holds after ${Math.round(nextMs)} ms`
    console.log(
      `${what}: PING p99 ${p99} ms, worst ${worst} ms (idle server: ${idleWorst} ms)${next}, ${lost} leases lost`,
    )
    judgements.push([
      `${what}: no PING takes ${WORST_PING_MS} ms more than one to an idle server`,
      worst - idleWorst < WORST_PING_MS,
    ])
    judgements.push([`${what}: nobody loses a lease`, lost === 0])
    if (nextMs !== null)
      judgements.push([
        `${what}: the next holds within what is left of that life`,
        nextMs <= Math.max(plan.ttlMs, WAITER_LIFE_MS) + ALLOWED_MS,
      ])
  }
  await server.stop()
  await idle.stop()
  judge(judgements)
}

async function round({ url, idleUrl, key, each, ms, ttlMs, dies }) {
  const holder = start(program, ['hold', url, key, String(ttlMs)])
  await holder.next('holds')
  const crowd = Array.from({ length: PROCESSES }, () => start(program, ['wait', url, key, String(each), String(ttlMs)]))
  await Promise.all(crowd.map(child => child.next('ready')))
  const [stop, stopIdle] = await Promise.all([ping(url), ping(idleUrl)])
  // In order, so that those who die are known to stand in front.
  for (const child of crowd) {
    child.say('go')
    await child.next('queued')
  }
  await setTimeout(ms / 2)
  const granted = crowd.map(child => child.next('granted'))
  for (const grant of granted) grant.catch(() => {})
  const diedAt = hostNow()
  if (dies === 'the holder') holder.kill9()
  if (dies === 'a quarter of the waiters') {
    crowd.shift()?.kill9()
    void granted.shift()
    await setTimeout(WAITER_LIFE_MS)
    holder.say('end')
  }
  const nextMs = dies === 'nobody' ? null : await Promise.any(granted).then(() => hostNow() - diedAt)
  await setTimeout(ms / 2)
  const [pings, idlePings] = await Promise.all([stop(), stopIdle()])
  const survivors = dies === 'nobody' ? [holder, ...crowd] : crowd
  const reports = survivors.map(child => child.next('lost'))
  for (const child of survivors) child.say('report')
  const lost = (await Promise.all(reports)).reduce((sum, report) => sum + report.count, 0)
  for (const child of [holder, ...crowd]) child.kill9()
  return { pings, idlePings, lost, nextMs: dies === 'the holder' ? nextMs : null }
}

/** Asks again and again; what it gives ends it, and tells how long each answer took. */
async function ping(url) {
  const redis = new Redis(url)
  await redis.ping()
  const took = []
  let going = true
  const asking = (async () => {
    while (going) {
      const askedAt = performance.now()
      await redis.ping()
      took.push(performance.now() - askedAt)
      await setTimeout(PING_EVERY_MS)
    }
  })()
  return async () => {
    going = false
    await asking
    redis.disconnect()
    return took
  }
}

async function hold(url, key, ttl) {
  const locks = await open(url, { ttl: Number(ttl) })
  const report = counting(locks)
  const lease = await locks.acquire(key)
  await tell({ type: 'holds' })
  void told('end').then(() => lease.release())
  await report
}

async function wait(url, key, each, ttl) {
  const locks = await open(url, { ttl: Number(ttl), fair: 'strict', wait: '10m' })
  const report = counting(locks)
  let waiting = 0
  locks.on('waiting', () => {
    waiting += 1
    if (waiting === Number(each)) void tell({ type: 'queued' })
  })
  await tell({ type: 'ready' })
  await told('go')
  for (let index = 0; index < Number(each); index += 1) {
    void locks.acquire(key).then(
      () => tell({ type: 'granted' }),
      () => {},
    )
  }
  await report
}

async function counting(locks) {
  let count = 0
  locks.on('lost', () => (count += 1))
  await told('report')
  await tell({ type: 'lost', count })
}
