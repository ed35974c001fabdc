/** What a timeline makes of the journals of two real programs, of which one was paused. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSite } from '../support/holdfast.ts'
import type { Site } from '../support/holdfast.ts'
import { pauseOneProgram } from '../support/paused-program.ts'

let site: Site
beforeEach(() => {
  site = createSite()
})
afterEach(() => site.clear())

test('names the overlap, the lost lease and the refused write of a program that was paused', async () => {
  const { journals, said } = await pauseOneProgram(site, site.store)
  expect(said).toEqual(['read\nStaleTokenError\n', 'read\nwritten\n'])
  const { code, stdout, stderr } = await site.holdfast(['timeline', ...journals])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/OVERLAP .* first was still at work, .* after its lease was over, while second held it/)
  expect(stdout).toMatch(/LOST LEASE .* first lost its lease: expired/)
  expect(stdout).toMatch(/REFUSED WRITE .* first was refused: token \d+ is too old, the resource has seen \d+/)
  expect(stdout).toMatch(/holder +token +acquired +over +by +wrote +refused/)

  const json = JSON.parse((await site.holdfast(['timeline', '--json', ...journals])).stdout)
  expect(json.keys).toHaveLength(1)
  const [{ leases, troubles }] = json.keys
  expect(leases).toMatchObject([
    { holder: 'first', ended: 'expired' },
    { holder: 'second', ended: 'released' },
  ])
  expect(leases[0].overAt).toBeLessThanOrEqual(leases[1].acquiredAt)
  expect(leases[0].deeds.refused).toBeGreaterThan(leases[1].overAt)
  expect(troubles.map(({ kind }: { readonly kind: string }) => kind)).toEqual([
    'lost lease',
    'overlap',
    'refused write',
  ])
  // Nobody believed wrongly: the first one's window had closed before the second one was let in.
  expect((await site.holdfast(['timeline', '--check', ...journals])).code).toBe(0)
})
