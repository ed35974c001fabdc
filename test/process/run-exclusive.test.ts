/** Two `holdfast run` of one key at the same moment, again and again: never both inside. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { createSite, fixture } from '../support/holdfast.ts'

const ROUNDS = 200
const LANES = 4

const site = createSite()
afterAll(() => site.clear())

test(`two at once never overlap, ${ROUNDS} rounds`, async () => {
  await Promise.all(Array.from({ length: LANES }, (_, lane) => play(`place-${lane}`, ROUNDS / LANES)))
})

/** Rounds in several places at the same time only save time. */
async function play(place: string, rounds: number): Promise<void> {
  const folder = site.path(place)
  mkdirSync(folder)
  for (let round = 0; round < rounds; round++) {
    const both = await Promise.all([1, 2].map(() => site.holdfast(['run', place, '--', fixture('alone.sh'), folder])))
    expect(
      both.map(({ code }) => code),
      both.map(({ stderr }) => stderr).join(''),
    ).toEqual([0, 0])
  }
  const visits = readFileSync(`${folder}/visits`, 'utf8').trim().split('\n').map(Number)
  expect(visits).toHaveLength(2 * rounds)
  expect(existsSync(`${folder}/overlaps`)).toBe(false)
  expect(visits).toEqual([...new Set(visits)].toSorted((a, b) => a - b))
}
