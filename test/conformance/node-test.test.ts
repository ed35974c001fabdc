import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const fixture = fileURLToPath(new URL('../fixtures/conformance.mjs', import.meta.url))

test('the suite runs by its public name in node:test, and tells there too what did not run', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--test',
    '--test-reporter=tap',
    '--test-name-pattern=token',
    fixture,
  ])
  expect(stdout).toMatch(/^# fail 0$/m)
  expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(8)
  expect(stdout).toContain('# SKIP not applicable: no hook `restart` was given')
  expect(stdout).toContain('the token grows over a restart of the store [not applicable: no hook `restart` was given]')
})
