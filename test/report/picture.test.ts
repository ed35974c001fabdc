/** From time to place, and from a timeline to its picture. */
import { describe, expect, test } from 'vitest'
import type { Lane } from '../../src/journal/model.ts'
import { markupOf } from '../../src/report/html.ts'
import { picture } from '../../src/report/picture.ts'
import { timeScale } from '../../src/report/scale.ts'

const ROOM = { from: 0, to: 1_000 }

describe('the scale of time', () => {
  test('is even where nothing is idle, with round ticks', () => {
    const scale = timeScale([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100], ROOM)
    expect([0, 25, 100].map(at => scale.x(at))).toEqual([0, 250, 1_000])
    expect(scale.breaks).toEqual([])
    expect(scale.ticks.slice(0, 3)).toEqual([
      { x: 0, text: '0' },
      { x: 100, text: '10 ms' },
      { x: 200, text: '20 ms' },
    ])
  })

  test('leaves out ten seconds in which nothing happens, and says how long they were', () => {
    const scale = timeScale([0, 5, 10, 10_010, 10_015, 10_020], ROOM)
    expect(scale.breaks).toHaveLength(1)
    expect(scale.breaks[0]).toMatchObject({ ms: 10_000 })
    const [first, last] = [scale.x(10) - scale.x(0), scale.x(10_020) - scale.x(10_010)]
    expect(first).toBeCloseTo(last)
    expect(first).toBeGreaterThan(400)
    expect([scale.x(0), scale.x(10_020)]).toEqual([0, 1_000])
  })

  test('never goes back, whatever the instants are', () => {
    const instants = [3, 3, 3.001, 4, 400, 401, 9_000, 9_000.5, 20_000]
    const { x, ticks } = timeScale(instants, ROOM)
    const places = Array.from({ length: 2_000 }, (_, index) => x(index * 10.5))
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(ticks.map(tick => tick.x)).toEqual(ticks.map(tick => tick.x).toSorted((a, b) => a - b))
    for (const place of places) expect(place >= 0 && place <= 1_000.001).toBe(true)
  })

  test.each([[[7]], [[7, 7]], [[0, 1e9]], [[1e12, 1e12 + 0.001]]])('has a place for %j', instants => {
    const { x, ticks } = timeScale(instants, ROOM)
    for (const at of instants) expect(Number.isFinite(x(at))).toBe(true)
    expect(ticks.length).toBeLessThan(40)
  })
})

describe('a picture', () => {
  const lanes: readonly Lane[] = [
    {
      name: 'A',
      spans: [
        { kind: 'held', from: 0, to: 5 },
        { kind: 'stale', from: 5, to: 9 },
      ],
      marks: [
        { at: 2, text: 'renews', kind: 'renewal' },
        { at: 9, text: 'too late', kind: 'refused' },
      ],
    },
    { name: 'B', spans: [{ kind: 'held', from: 5, to: 10 }], marks: [{ at: 9.01, text: 'writes', kind: 'write' }] },
  ]
  const drawn = picture(lanes, { id: 'p', title: 'two', width: 400 })
  const text = drawn === null ? '' : markupOf(drawn)

  test('says of each thing what it is, and for how long', () => {
    expect(text).toContain('aria-label="A: holding for 5 ms, from 0.0 ms to 5.0 ms"')
    expect(text).toContain('aria-label="A: still at work after its lease was over for 4 ms, from 5.0 ms to 9.0 ms"')
    expect(text).toContain('aria-label="1. 2.0 ms, A: renews"')
    expect(text).toContain('aria-label="3. 9.0 ms, B: writes"')
  })

  test('links each pin to its event, and draws in red what was refused', () => {
    expect([...text.matchAll(/href="#(p-\d)"/g)].map(([, anchor]) => anchor)).toEqual(['p-2', 'p-3'])
    expect(text).toMatch(/class="item pin bad"\s+href="#p-2"/)
    expect(text).toMatch(/class="item pin plain"\s+href="#p-3"/)
  })

  test('puts marks that would touch below one another', () => {
    const at = [1, 1.01, 1.02, 3, 4, 5, 6, 7, 8, 9]
    const marks = at.map(instant => ({ at: instant, text: '', kind: 'moment' as const }))
    const crowded = picture([{ name: 'A', spans: [], marks }], { id: 'q', title: 'many', width: 400 })
    const tops = [...(crowded === null ? '' : markupOf(crowded)).matchAll(/<rect\s+x="[\d.]+"\s+y="(\d+)"[^>]*rx="9"/g)]
    const heights = tops.map(([, top]) => Number(top))
    expect(heights).toHaveLength(at.length)
    expect(new Set(heights.slice(0, 3)).size).toBe(3)
    expect(heights[3]).toBe(heights[0])
  })

  test('of nothing is none', () => {
    expect(picture([], { id: 'r', title: 'nothing', width: 400 })).toBeNull()
  })
})
