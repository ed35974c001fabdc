/**
 * Real stores for a test: their addresses, and what happens where one is not to be had.
 *
 * `scripts/stores env` prints the variables that are read here, and `npm run test:all` sets them. A store that does not
 * run is never passed over in silence: its tests are one skipped test with the reason, which the reporter prints, or
 * one failed test if the run was told that it must run.
 */
import { describe, test } from 'vitest'
import type { TestContext } from 'vitest'
import { obstacleOf } from '../../src/servers/find.ts'
import type { ServerKind } from '../../src/servers/kind.ts'

/**
 * HOLDFAST_TEST_REDIS_URL for 'redis'. A group (redlock, cluster) also has ..._URLS, its members with commas between.
 */
function variable(name: string, ending: 'URL' | 'URLS'): string {
  return `HOLDFAST_TEST_${name.toUpperCase().replaceAll('-', '_')}_${ending}`
}

/** The address of a store or group of `scripts/stores` (of a pair: its primary's); undefined where it does not run. */
export function storeUrl(name: string): string | undefined {
  return process.env[variable(name, 'URL')] ?? memberUrls(name)[0]
}

/** The addresses of a group's members; empty where it does not run. */
export function memberUrls(name: string): readonly string[] {
  return (process.env[variable(name, 'URLS')] ?? '').split(',').filter(url => url !== '')
}

/** Why a store does not run, as `npm run test:all` found out, or what to do about it. */
export function whyNotRunning(name: string): string {
  const reasons: unknown = JSON.parse(process.env['HOLDFAST_TEST_NOT_RUN'] ?? '{}')
  const reason =
    typeof reasons === 'object' && reasons !== null
      ? new Map<string, unknown>(Object.entries(reasons)).get(name)
      : undefined
  return typeof reason === 'string'
    ? reason
    : `${variable(name, 'URL')} is not set: scripts/stores up ${name}, then scripts/stores env`
}

function insisted(name: string): boolean {
  return (process.env['HOLDFAST_TEST_INSISTED'] ?? '').split(',').includes(name)
}

/** `describe` for tests that need a store: `body` gets its address. */
export function describeWithStore(name: string, title: string, body: (url: string) => void): void {
  const url = storeUrl(name)
  if (url !== undefined) {
    describe(title, () => body(url))
    return
  }
  test(title, context => {
    if (insisted(name)) throw new Error(`${name} must run, and does not: ${whyNotRunning(name)}`)
    context.skip(`${name}: ${whyNotRunning(name)}`)
  })
}

/** For a test that starts a server of its own. */
export function skipWithout(kind: ServerKind, context: TestContext): void {
  const obstacle = obstacleOf(kind)
  if (obstacle !== null) context.skip(obstacle)
}
