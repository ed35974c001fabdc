import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { hostNow, nextTick, ticks } from '../../src/lab/host-time.ts'

test('all processes of the host read one clock', () => {
  const before = hostNow()
  const other = Number(
    execFileSync(process.execPath, ['-p', 'Number(process.hrtime.bigint()) / 1e6'], { encoding: 'utf8' }),
  )
  expect(other).toBeGreaterThan(before)
  expect(other).toBeLessThan(hostNow())
})

test('ticks come not before their instant, as many as fit into the duration', async () => {
  const schedule = { startAt: hostNow() + 20, intervalMs: 10, durationMs: 45 }
  const seen: number[] = []
  for await (const tick of ticks(schedule, new AbortController().signal)) {
    expect(hostNow()).toBeGreaterThanOrEqual(schedule.startAt + tick * schedule.intervalMs)
    seen.push(tick)
  }
  expect(seen[0]).toBe(0)
  expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b))
  expect(seen.length).toBeLessThanOrEqual(5)
})

test('who is late leaves out what it missed and is on the common schedule again', () => {
  const schedule = { startAt: 1_000, intervalMs: 50 }
  expect(nextTick(schedule, 1_000)).toBe(0)
  expect(nextTick(schedule, 1_001)).toBe(1)
  expect(nextTick(schedule, 1_050)).toBe(1)
  expect(nextTick(schedule, 1_170)).toBe(4)
})

test('an abort ends the ticks at once', async () => {
  const stop = new AbortController()
  const seen: number[] = []
  for await (const tick of ticks({ startAt: hostNow(), intervalMs: 60_000, durationMs: 600_000 }, stop.signal)) {
    seen.push(tick)
    stop.abort()
  }
  expect(seen).toEqual([0])
})
