/** One source of chance for a whole simulation: faults, work, the processes' own random numbers. */
import { seeded } from '../../src/lab/faults/random.ts'

export interface Chance {
  /** In [0, 1). */
  unit(): number
  /** True so often. */
  of(part: number): boolean
  between(least: number, most: number): number
  /** As `between`, but each order of magnitude is as likely as any other. */
  spread(least: number, most: number): number
  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number
  pick<T>(list: readonly [T, ...T[]]): T
}

export function chanceOf(seed: number): Chance {
  const unit = seeded(seed)
  return {
    unit,
    of: part => part > 0 && unit() < part,
    between: (least, most) => least + unit() * (most - least),
    spread: (least, most) => least * (most / least) ** unit(),
    whole: (least, most) => least + Math.floor(unit() * (most - least + 1)),
    pick: ([first, ...others]) => others[Math.floor(unit() * (others.length + 1)) - 1] ?? first,
  }
}
