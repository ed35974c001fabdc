import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { sideBySide } from '../../src/conformance/side-by-side.ts'
import type { Work } from '../../src/conformance/side-by-side.ts'

/** Works that end when they are told to, and say which of them run. */
function shifts(count: number, alone: readonly number[] = []) {
  const running = new Set<number>()
  const ends = new Map<number, () => void>()
  const works = Array.from({ length: count }, (_, index): Work<number> => ({
    alone: alone.includes(index),
    async start() {
      running.add(index)
      await new Promise<void>(resolve => ends.set(index, resolve))
      running.delete(index)
      return index
    },
  }))
  async function inside(): Promise<readonly number[]> {
    await turnOfTheLoop()
    return [...running]
  }
  const end = (...which: readonly number[]): void => which.forEach(index => ends.get(index)?.())
  const at = (index: number): Work<number> => works[index] ?? { alone: false, start: async () => Number.NaN }
  return { works, at, inside, end }
}

test('a runner that calls one case after the other has several at once, each with its own outcome', async () => {
  const { works, at, inside, end } = shifts(5)
  const { outcome } = sideBySide(works, () => 3)
  const first = outcome(at(0))
  expect(await inside()).toEqual([0, 1, 2])
  end(1, 0)
  expect(await first).toBe(0)
  expect(await inside()).toEqual([2, 3, 4])
  expect(await outcome(at(1))).toBe(1)
})

test('who asks for a single case gets that one alone', async () => {
  const { works, at, inside, end } = shifts(5)
  const { outcome } = sideBySide(works, () => 3)
  const third = outcome(at(2))
  expect(await inside()).toEqual([2])
  end(2)
  expect(await third).toBe(2)
})

test('a case that takes the store from the others waits for them, and they for it', async () => {
  const { works, at, inside, end } = shifts(5, [1])
  const { outcome } = sideBySide(works, () => 2)
  void outcome(at(0))
  expect(await inside()).toEqual([0, 2])
  end(0)
  expect(await inside()).toEqual([2, 3])
  const second = outcome(at(1))
  expect(await inside()).toEqual([2, 3])
  end(2, 3)
  expect(await inside()).toEqual([1])
  end(1)
  expect(await second).toBe(1)
  expect(await inside()).toEqual([4])
})

test('a case that has failed before it was called tells so when it is called', async () => {
  const works: Work<void>[] = [
    { alone: false, start: async () => {} },
    { alone: false, start: () => Promise.reject(new Error('two hold')) },
  ]
  const { outcome, idle } = sideBySide(works, () => 2)
  await outcome(works[0] ?? { alone: false, start: async () => {} })
  await idle()
  await expect(outcome(works[1] ?? { alone: false, start: async () => {} })).rejects.toThrow('two hold')
})
