/**
 * The linter with this project's rules finds what it is there for: a rule that is switched off by accident reports
 * nothing.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const project = mkdtempSync(join(tmpdir(), 'holdfast-linter-'))
afterAll(() => rmSync(project, { recursive: true, force: true }))

test('a driver with every mistake is found out', () => {
  mkdirSync(join(project, 'src/drivers'), { recursive: true })
  for (const file of ['.oxlintrc.json', 'tsconfig.json']) cpSync(join(root, file), join(project, file))
  // Without the types that tsconfig.json names there is no type-aware rule.
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'))
  writeFileSync(
    join(project, 'src/drivers/wrong.ts'),
    `import { acquire } from '../core/acquire.ts'
import { table } from '../lab/table.ts'
import { sleep } from '../base/clock.ts'
export async function forget(): Promise<void> {
  setTimeout(() => Date.now(), 1)
}
forget()
export const loose: any = [acquire, table, sleep]
export const sure = loose!
export const told = loose as string
`,
  )
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['src', '--format', 'unix'], {
    cwd: project,
    encoding: 'utf8',
  })
  const found = [...stdout.matchAll(/wrong\.ts:(\d+):.*\((.*)\)\]/g)].map(([, line, rule]) => `${line} ${rule}`)
  expect(found.toSorted(), stderr).toEqual([
    '1 no-restricted-imports',
    '10 consistent-type-assertions',
    '2 no-restricted-imports',
    '5 no-restricted-globals',
    '5 no-restricted-properties',
    '7 no-floating-promises',
    '8 no-explicit-any',
    '9 no-non-null-assertion',
  ])
  expect(status).toBe(1)
})
