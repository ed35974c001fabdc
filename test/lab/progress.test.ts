/** The line that tells how far an experiment is: for people in front of a terminal, and for nobody else. */
import { expect, test } from 'vitest'
import { progressOn } from '../../src/lab/progress.ts'
import { systemClock } from '../../src/base/clock.ts'

/** Time goes on when the test says so. */
function createClock() {
  let now = 0
  let due: (() => void) | null = null
  return {
    clock: {
      ...systemClock,
      now: () => now,
      after: (_ms: number, task: () => void) => {
        due = task
        return { cancel: () => (due = null) }
      },
    },
    pass(ms: number) {
      now += ms
      due?.()
    },
  }
}

function createTerminal(options: { readonly isTTY: boolean; readonly columns?: number }) {
  const written: string[] = []
  return { written, terminal: { ...options, write: (text: string) => void written.push(text) } }
}

test('says what goes on and for how long, and takes itself away', () => {
  const { clock, pass } = createClock()
  const { terminal, written } = createTerminal({ isTTY: true })
  const progress = progressOn(terminal, clock)
  progress.show('lock: round 2 of 5')
  pass(1_000)
  progress.clear()
  progress.clear()
  expect(written).toEqual(['lock: round 2 of 5  0 s', '\r\x1b[K', 'lock: round 2 of 5  1 s', '\r\x1b[K'])
  pass(1_000)
  expect(written).toHaveLength(4)
})

test('fits into the terminal, for a line that wraps could not be taken away', () => {
  const { terminal, written } = createTerminal({ isTTY: true, columns: 10 })
  const progress = progressOn(terminal, createClock().clock)
  progress.show('a line that is longer than the terminal is wide')
  expect(written).toEqual(['a line th'])
})

test('is not there where nobody sits in front', () => {
  const { terminal, written } = createTerminal({ isTTY: false })
  const progress = progressOn(terminal, createClock().clock)
  progress.show('lock')
  progress.clear()
  expect(written).toEqual([])
})
