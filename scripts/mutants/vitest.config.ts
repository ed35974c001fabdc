/** What runs against each mutant: the tests that need no server, no process and no build. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    pool: 'threads',
    include: ['test/{base,core,locks,store}/**/*.test.ts', 'test/drivers/memory.test.ts', 'test/model/memory.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
