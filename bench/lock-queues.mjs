// The queue of a store beside what else there is in Node: two processes of 16 tasks each on one key, 1 ms inside and
// 10 ms between. In turn, so that all meet the same machine; of each way the round with the median rate is printed.
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { open } from '../dist/index.js'
import { openPeer, PEER_OF } from './lock-peers.mjs'
import { quantile, start, tell, told } from './proving.mjs'

const SELF = fileURLToPath(import.meta.url)
const PROCESSES = 2
const TASKS = 16
const INSIDE_MS = 1
const BETWEEN_MS = 10
const WARM_UP_MS = 2_000

if (process.argv[2] === 'worker') await worker(JSON.parse(process.argv[3]))

/** Prints what each does, and how many times that of the peer. */
export async function besideThePeer(kind, address, { rounds, ms }) {
  const peer = await openPeer(kind.name, address)
  await peer?.close()
  if (peer === null) console.log(`not measured: ${PEER_OF[kind.name]}: npm install --prefix bench`)
  const ways = ['strict', 'cohort', ...(peer === null ? [] : ['peer'])]
  const figures = new Map(ways.map(way => [way, []]))
  for (let round = 0; round < rounds; round += 1)
    for (const way of ways) figures.get(way).push(await queue({ store: kind.name, address, way, ms }))
  const middle = way => figures.get(way).toSorted((a, b) => a.rate - b.rate)[Math.floor(rounds / 2)]
  console.log(`${kind.name}: ${PROCESSES} processes x ${TASKS} tasks, one key; ${rounds} rounds`)
  for (const way of ways) {
    const { rate, waits, mostToFewest } = middle(way)
    const name = way === 'peer' ? PEER_OF[kind.name] : way
    const ratio = peer === null || way === 'peer' ? '' : `  ratio ${(rate / middle('peer').rate).toFixed(2)}`
    const at = share => Math.round(quantile(waits, share))
    const wait = `wait p50 ${at(0.5)} p99 ${at(0.99)} ms, most : fewest ${mostToFewest.toFixed(1)}`
    console.log(`  ${name.padEnd(21)} ${Math.round(rate)} sections a second, ${wait}${ratio}`)
  }
}

async function queue(settings) {
  const key = `queue-${process.pid}-${Math.random().toString(36).slice(2)}`
  const word = JSON.stringify({ ...settings, key })
  const workers = Array.from({ length: PROCESSES }, () => start(SELF, ['worker', word]))
  await Promise.all(workers.map(child => child.next('ready')))
  const reports = Promise.all(workers.map(child => child.next('report')))
  for (const child of workers) child.say('go')
  const results = await reports
  await Promise.all(workers.map(child => child.ended))
  const counts = results.flatMap(report => report.counts)
  const waits = results.flatMap(report => report.waits)
  const rate = (waits.length * 1_000) / settings.ms
  return { rate, waits, mostToFewest: Math.max(...counts) / Math.max(1, Math.min(...counts)) }
}

async function worker({ store, address, way, key, ms }) {
  // No connection of a store keeps a process alive.
  const alive = setInterval(() => {}, 1_000)
  const locks =
    way === 'peer' ? await openPeer(store, address) : await open(address, { fair: way, ttl: '15s', wait: '60s' })
  const until = performance.now() + WARM_UP_MS
  const warm = async index => {
    while (performance.now() < until) await locks.run(`${key}-warm-${process.pid}-${index}`, async () => {})
  }
  await Promise.all(Array.from({ length: TASKS }, (_, index) => warm(index)))
  const go = told('go')
  await tell({ type: 'ready' })
  await go
  const from = performance.now()
  const counts = Array.from({ length: TASKS }, () => 0)
  const waits = []
  const task = async index => {
    while (performance.now() - from < ms) {
      const askedAt = performance.now()
      await locks.run(key, async () => {
        const now = performance.now()
        if (now - from < ms) {
          waits.push(now - askedAt)
          counts[index] += 1
        }
        await sleep(INSIDE_MS)
      })
      await sleep(BETWEEN_MS)
    }
  }
  await Promise.all(counts.map((_, index) => task(index)))
  await tell({ type: 'report', counts, waits })
  clearInterval(alive)
  await locks.close()
  process.disconnect()
}
