/** The chaos itself: on a store in good order it finds nothing, and with leases that believe too long it finds them. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/chaos.mjs', import.meta.url))

function chaos(...words: readonly string[]) {
  return spawnSync(process.execPath, [script, ...words], { encoding: 'utf8', timeout: 120_000 })
}

/** Longer where a busy machine has let nobody hold anything yet. */
function chaosThatShows(...words: readonly string[]) {
  let shown = chaos(...words, '--minutes', '0.05')
  for (const minutes of ['0.2', '0.5'])
    if (shown.stdout.includes('nothing was shown')) shown = chaos(...words, '--minutes', minutes)
  return shown
}

for (const store of ['memory:', 'sqlite:']) {
  test(`on ${store} no belief is contradicted, whatever happens to the processes`, () => {
    const { status, stdout } = chaosThatShows('--store', store)
    expect(stdout).toMatch(/^ +[1-9]\d* {2}belief compared with the store$/m)
    expect(stdout).toMatch(/^No violation\.$/m)
    expect(status).toBe(0)
  })

  test(`on ${store} leases that believe half a second too long are found`, () => {
    const { status, stdout } = chaosThatShows('--store', store, '--sabotage')
    expect(stdout).toMatch(/^VIOLATION .* ms longer than the store$/m)
    expect(status).toBe(1)
  })
}

test('children are killed and stopped on the way, and none is left', () => {
  const { pid, stdout } = chaos('--store', 'sqlite:', '--minutes', '0.1', '--workers', '4', '--seed', '7')
  expect(stdout).toMatch(/^ +[1-9]\d* {2}kill -9$/m)
  expect(stdout).toMatch(/^ +[1-9]\d* {2}SIGSTOP$/m)
  expect(spawnSync('pgrep', ['-f', `holdfast-chaos-${pid}/`], { encoding: 'utf8' }).stdout).toBe('')
})
