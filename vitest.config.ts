/**
 * Five projects. Without a server: `quick`, which `npm run check` runs before a commit: memory and SQLite, nothing to
 * start, seconds; `sim`, which runs through thousands of seeds on a clock of its own; and `process`, which starts and
 * kills programs. With servers: `suites`, which every driver must pass, mostly wait and bear a busy machine; and `slow`,
 * every other `*.slow.test.ts`. `npm test` runs the first three side by side, `npm run test:all` all.
 *
 * Bounds on time are only there to end what hangs.
 */
import { defineConfig } from 'vitest/config'
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'
import { notRun } from './test/support/not-run.ts'

const SIM = ['test/sim/**/*.test.ts']
const PROCESS = ['test/process/**/*.test.ts']
const SLOW = ['test/**/*.slow.test.ts']
const SUITES = ['test/drivers/*.conformance.slow.test.ts', 'test/model/*.slow.test.ts']
/** Packages bring tests of their own. */
const NOT_OURS = ['**/node_modules/**']
/** Where test.mjs wants the figures of the run. */
const report = process.env['HOLDFAST_TEST_REPORT']

/** The simulation takes as long as all the rest, so it begins at once. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ project }: TestSpecification): boolean => project.name === 'sim'
    return [...sorted.filter(isLong), ...sorted.filter(file => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
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
          exclude: [...SIM, ...PROCESS, ...SLOW, ...NOT_OURS],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'sim', include: SIM, testTimeout: 300_000, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: 'process',
          include: PROCESS,
          exclude: [...SLOW, ...NOT_OURS],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
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
      {
        extends: true,
        test: {
          name: 'slow',
          include: SLOW,
          exclude: [...SUITES, ...NOT_OURS],
          // One file at a time: here times are measured against real clocks, and neighbours would be noise.
          maxWorkers: 1,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
