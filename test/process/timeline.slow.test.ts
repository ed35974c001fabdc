/** The same two programs on Redis. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSite } from '../support/holdfast.ts'
import type { Site } from '../support/holdfast.ts'
import { pauseOneProgram } from '../support/paused-program.ts'
import { describeWithStore } from '../support/stores.ts'

let site: Site
beforeEach(() => {
  site = createSite()
})
afterEach(() => site.clear())

describeWithStore('redis', 'two programs on Redis, of which one is paused', url => {
  test('the timeline names the overlap and the refused write', async () => {
    const { journals, said } = await pauseOneProgram(site, `${url}?namespace=timeline-${process.pid}`)
    expect(said).toEqual(['read\nStaleTokenError\n', 'read\nwritten\n'])
    const { code, stdout } = await site.holdfast(['timeline', ...journals])
    expect(code).toBe(0)
    expect(stdout).toMatch(/OVERLAP .* first was still at work, .* after its lease was over, while second held it/)
    expect(stdout).toMatch(/REFUSED WRITE .* first was refused: token \d+ is too old, the resource has seen \d+/)
  })
})
