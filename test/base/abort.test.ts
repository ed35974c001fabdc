import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { onAbort } from '../../src/base/abort.ts'
import { createTestLocks } from '../../src/testing.ts'

test('a signal is listened to once, however many wait for it, and not at all when nobody does', () => {
  const { signal } = new AbortController()
  const stops = Array.from({ length: 50 }, () => onAbort(signal, () => {}))
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  for (const stop of [...stops, ...stops]) stop()
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('all who wait hear of it once, and who has stopped, by another of them too, does not', () => {
  const controller = new AbortController()
  const heard: string[] = []
  onAbort(controller.signal, () => {
    heard.push('a')
    stop()
  })
  const stop = onAbort(controller.signal, () => heard.push('b'))
  onAbort(controller.signal, () => heard.push('c'))
  controller.abort()
  expect(heard).toEqual(['a', 'c'])
})

test('one who comes back after all had gone hears of it', () => {
  const controller = new AbortController()
  onAbort(controller.signal, () => {})()
  let heard = 0
  onAbort(controller.signal, () => (heard += 1))
  controller.abort()
  expect(heard).toBe(1)
})

test('a hundred waits may share a signal without a warning, and leave no listener behind', async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  const { locks, clock } = createTestLocks()
  const held = await locks.acquire('k')
  const stop = new AbortController()
  const waits = Array.from({ length: 100 }, () => locks.acquire('k', { signal: stop.signal }))
  await clock.advance(10)
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1)
  stop.abort(new Error('enough'))
  for (const wait of waits) await expect(wait).rejects.toThrow('enough')
  await held.release()
  await clock.advance(10)
  process.off('warning', note)
  expect(warnings).toEqual([])
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
})
