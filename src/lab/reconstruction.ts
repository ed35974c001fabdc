/** The race put together again: who had the lock when, until when it was sure, when it was committed and confirmed. */
import { actsOf, instant } from './acts.ts'
import type { Act } from './acts.ts'
import { table } from './table.ts'

const MOMENTS = { acquired: 'holds', committed: 'committed', confirmed: 'confirmed' } as const

/** A row for each who acts: when the lock was acquired, until when its lease was sure, commit, confirmation. */
export type Reconstruction = readonly (readonly string[])[]

/** Milliseconds from the first act on. */
export function reconstruct(acts: readonly Act[]): Reconstruction {
  const start = acts[0]?.at ?? 0
  const after = (at: number): string => (Number.isNaN(at) ? '-' : (at - start).toFixed(1))
  return [...new Set(acts.map(({ who }) => who))].map(who => {
    const left = actsOf(acts, MOMENTS.acquired, who)[0]?.fields['leftMs']
    const acquired = instant(acts, MOMENTS.acquired, who)
    return [
      who,
      after(acquired),
      after(acquired + Number(left)),
      after(instant(acts, MOMENTS.committed, who)),
      after(instant(acts, MOMENTS.confirmed, who)),
    ]
  })
}

export function showReconstruction(rows: Reconstruction): readonly string[] {
  const titles = ['acquired', 'sure until', 'committed', 'confirmed']
  return table([{ title: 'ms' }, ...titles.map(title => ({ title, figures: true }))], rows)
}
