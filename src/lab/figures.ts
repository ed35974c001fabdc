/** Sums over what workers measured, and how they are told. */
export { count } from '../base/text.ts'

/** The mean; null of nothing, since no figure is better than a made-up zero. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Nearest rank: the smallest value that at least the given share (0 to 1) does not exceed. null of nothing. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null
}

export function sum<One>(ones: readonly One[], of: (one: One) => number): number {
  return ones.reduce((total, one) => total + of(one), 0)
}

/** "33 %". */
export function share(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${Math.round((100 * part) / whole)} %`
}

/** For tables: "16.4 ms", or a dash where nothing was measured. */
export function showMs(ms: number | null): string {
  return ms === null ? '-' : `${ms.toFixed(1)} ms`
}
