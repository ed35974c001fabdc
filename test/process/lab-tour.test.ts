/** The tour as somebody takes it who has come to read about locks. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { STEPS } from '../../src/lab/tour-steps.ts'
import { createBench } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

test('shows each experiment and what to do, asks nothing with --yes, and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await bench.run('tour', '--yes')
  const places = STEPS.map(({ experiment }, index) => stdout.indexOf(`${index + 1} of 6: ${experiment}`))
  expect(places).not.toContain(-1)
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(stdout.match(/━━━ holding|─── working without a lock/g)?.length).toBeGreaterThanOrEqual(STEPS.length)
  for (const part of ['10000 were paid', '2 confirmations for one room', 'What to do', 'Protect it.'])
    expect(stdout).toContain(part)
  expect(stdout).not.toContain('You said')
  expect({ code, stderr, left: bench.leftBehind() }).toEqual({ code: 0, stderr: '', left: [] })
})

test('compares each guess with what was measured, and recommends by the answers', async () => {
  const guesses = ['10,000', '80', '', 'no', '2']
  const answers = ['no', 'yes', 'no', 'yes', 'no', 'yes']
  const { code, stdout } = await bench.site.holdfast(['lab', 'tour'], {
    input: `${[...guesses, ...answers].join('\n')}\n`,
    env: { TMPDIR: bench.site.path('tmp') },
  })
  expect(stdout).toContain('You said 10,000, and so it was.')
  expect(stdout).toMatch(/You said 80: it was \d+\./)
  expect(stdout).toContain('You said no: it was yes.')
  expect(stdout.match(/You said/g)).toHaveLength(4)
  expect(stdout).toContain('Leave it out.')
  expect({ code, left: bench.leftBehind() }).toEqual({ code: 0, left: [] })
})

test('Ctrl-C ends it, and leaves neither processes nor files', async () => {
  const { finished, leftOver } = await bench.interrupt('2 of 6', 'tour', '--yes')
  expect({ code: finished.code, leftOver, left: bench.leftBehind() }).toEqual({ code: 130, leftOver: [], left: [] })
  expect(finished.stdout).not.toContain('What to do')
})
