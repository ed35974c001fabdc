/**
 * Four projects. `quick` is what `npm run check` runs before a commit: memory and SQLite, nothing to start, seconds.
 * `sim` runs through thousands of seeds on a clock of its own, which no neighbour disturbs. `suites` are those that
 * every driver must pass, on servers: they mostly wait, and bear a busy machine. `slow` is the rest of what needs a
 * server or kills processes. `npm test` runs all.
 *
 * Bounds on time are only there to end what hangs.
 */
import { defineConfig } from 'vitest/config'
import { notRun } from './test/support/not-run.ts'

const SIM = ['test/sim/**/*.test.ts']
const SUITES = ['test/drivers/*.conformance.slow.test.ts', 'test/model/*.slow.test.ts']
const SLOW = ['test/process/**/*.test.ts', 'test/stores/**/*.test.ts', 'test/**/*.slow.test.ts']
/** Where test.mjs wants the figures of the run. */
const report = process.env['HOLDFAST_TEST_REPORT']

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: './test/support/build.ts',
    reporters: [
      'default',
      notRun(),
      ...(report === undefined ? [] : [['json', { outputFile: report }] satisfies [string, object]]),
    ],
    projects: [
      {
        extends: true,
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: [...SIM, ...SUITES, ...SLOW],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'sim', include: SIM, testTimeout: 300_000, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: 'suites',
          include: SUITES,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      // One file at a time: here times are measured against real clocks, and neighbours would be noise.
      {
        extends: true,
        test: {
          name: 'slow',
          include: SLOW,
          exclude: SUITES,
          maxWorkers: 1,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
