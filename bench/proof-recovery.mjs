// What the death of a process costs the others.
//
//   npm run proof:recovery [-- --store URL --rounds 20 --ttl 1000]
//
// A holder is killed (-9) at a moment of chance: the next in the queue holds within ttl + 200 ms. A waiter is killed at
// a moment of chance, and the holder in front of it releases: the one behind it holds within 5 s, the wake-up included.
// Stores that go by sessions of their own take longer to say that one is dead: see OTHERS.
// Rounds have keys of their own on one store, so several run at once: that can only make the figures worse.
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { open } from '../dist/index.js'
import { hostNow, judge, onStore, quantile, start, tell, told } from './proving.mjs'

/** Of a dead holder and a dead waiter: the news of it, and a turn of a busy machine, included. */
const USUAL = { leastTtlMs: 0, holder: ttlMs => ttlMs + 200, waiter: () => 5_000 }
const OTHERS = {
  // It looks for what has run out twice a second, and then has to agree on it.
  etcd: { leastTtlMs: 2_000, holder: ttlMs => ttlMs + 1_500, waiter: () => 6_500 },
  // It counts in whole seconds, and is asked for one more. Who waits there is not in a line, so nobody waits for him.
  memcached: { leastTtlMs: 3_000, holder: ttlMs => ttlMs + 1_200, waiter: () => 5_000 },
  mongodb: { ...USUAL, leastTtlMs: 1_000 },
  // Two ticks of its servers, for one that has ticks of 0.5 s: zookeeper://...?tick=500ms
  zookeeper: { leastTtlMs: 1_000, holder: ttlMs => ttlMs + 1_000, waiter: () => 6_000 },
  // A session lives for up to twice its ttl.
  consul: { leastTtlMs: 10_000, holder: ttlMs => 2 * ttlMs + 1_000, waiter: () => 21_000 },
}
const AT_ONCE = 5
/** Processes die at any moment of their lease, so each round waits between this and this before it kills. */
const ALIVE_MS = [100, 1_800]

const program = fileURLToPath(import.meta.url)
const [role, ...words] = process.argv.slice(2)
if (role === 'hold') await hold(...words)
else if (role === 'queue') await queue(...words)
else await main()

async function main() {
  const { values } = parseArgs({
    options: {
      store: { type: 'string' },
      rounds: { type: 'string', default: '20' },
      ttl: { type: 'string', default: '1000' },
    },
  })
  const rounds = Number(values.rounds)
  await onStore(values.store, async store => {
    const allowed = OTHERS[/^[a-z]+/.exec(store)[0]] ?? USUAL
    const ttlMs = Math.max(allowed.leastTtlMs, Number(values.ttl))
    const most = { holder: allowed.holder(ttlMs), waiter: allowed.waiter(ttlMs) }
    const locks = await open(store, { ttl: ttlMs, wait: '60s' })
    console.log(`${rounds} rounds each, ttl ${ttlMs} ms, ${store.split(':')[0]}`)
    const holders = await inParallel(rounds, round =>
      killHolder(locks, store, `proof:holder:${process.pid}:${round}`, ttlMs),
    )
    print('holder killed: the next holds after', holders)
    const waiters = await inParallel(rounds, round =>
      killWaiter(locks, store, `proof:waiter:${process.pid}:${round}`, ttlMs),
    )
    print('waiter killed: the next holds after', waiters)
    await locks.close()
    judge([
      [
        `a killed holder frees the lock within ${most.holder} ms in all of ${holders.length} rounds`,
        holders.every(ms => ms <= most.holder),
      ],
      [
        `a killed waiter delays nobody by more than ${most.waiter} ms in all of ${waiters.length} rounds`,
        waiters.every(ms => ms <= most.waiter),
      ],
    ])
  })
}

/** From the kill to the grant. */
async function killHolder(locks, store, key, ttlMs) {
  const holder = start(program, ['hold', store, key, String(ttlMs)])
  await holder.next('holds')
  const granted = locks.acquire(key)
  await setTimeout(momentOfChance())
  const killedAt = hostNow()
  holder.kill9()
  const lease = await granted
  const tookMs = hostNow() - killedAt
  await lease.release()
  return tookMs
}

/** From the kill, which the holder's release follows at once, to the grant. */
async function killWaiter(locks, store, key, ttlMs) {
  const holder = start(program, ['hold', store, key, String(ttlMs)])
  await holder.next('holds')
  const waiter = start(program, ['queue', store, key])
  await waiter.next('waits')
  const granted = locks.acquire(key)
  await setTimeout(momentOfChance())
  const killedAt = hostNow()
  waiter.kill9()
  holder.say('release')
  const lease = await granted
  const tookMs = hostNow() - killedAt
  await lease.release()
  await holder.ended
  return tookMs
}

async function hold(store, key, ttlMs) {
  const locks = await open(store, { ttl: Number(ttlMs) })
  const lease = await locks.acquire(key)
  await tell({ type: 'holds' })
  await told('release')
  await lease.release()
  await locks.close()
  process.disconnect()
}

async function queue(store, key) {
  const locks = await open(store, { wait: '60s' })
  locks.on('waiting', () => process.send({ type: 'waits' }))
  await locks.acquire(key)
}

function momentOfChance() {
  const [least, most] = ALIVE_MS
  return least + Math.random() * (most - least)
}

async function inParallel(rounds, run) {
  const results = []
  let next = 0
  const lane = async () => {
    while (next < rounds) results.push(await run(next++))
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, rounds) }, lane))
  return results
}

function print(title, values) {
  const [least, median, most] = [0, 0.5, 1].map(share => Math.round(quantile(values, share)))
  console.log(`${title} ${least} to ${most} ms, median ${median} ms`)
}
