/**
 * Checks: things that are tried, each with the answer that it must get. For experiments that are judged by many answers
 * more than by one figure. Checks belong to groups, and a way claims each group as a whole.
 */
import type { Claim } from './declaration.ts'
import { holds } from './experiment.ts'
import { table } from './table.ts'

export type Check = {
  readonly group: string
  readonly who: string
  readonly tries: string
  readonly expected: string
  readonly found: string
}

type Checked = { readonly checks: readonly Check[] }

export function isAsExpected({ expected, found }: Check): boolean {
  return expected === found
}

/** Each group by what it claims, in words. A group in which nothing was tried does not hold. */
export function claimsOf(groups: Readonly<Record<string, string>>): readonly Claim<Checked>[] {
  return Object.entries(groups).map(([group, claim]) => {
    const own = ({ checks }: Checked): readonly Check[] => checks.filter(check => check.group === group)
    const isSo = (outcome: Checked): boolean => own(outcome).length > 0 && own(outcome).every(isAsExpected)
    return holds<Checked>(claim, isSo, rounds => told(rounds.flatMap(own)))
  })
}

function told(checks: readonly Check[]): string {
  const wrong = checks.filter(check => !isAsExpected(check))
  const example = wrong[0] === undefined ? '' : `, not: ${wrong[0].tries}: ${wrong[0].found}`
  return `${checks.length - wrong.length} of ${checks.length} as expected${example}`
}

/** A row for each. */
export function showChecks({ checks }: Checked): readonly string[] {
  if (checks.length === 0) return []
  return table(
    ['', 'who', 'tries', 'expected', 'found'].map(title => ({ title })),
    checks.map(check => [
      isAsExpected(check) ? 'ok' : 'FAIL',
      ...[check.who, check.tries, check.expected, check.found].map(cut),
    ]),
  )
}

/** The longest that a cell says; a script is cut. */
function cut(text: string): string {
  return text.length > 72 ? `${text.slice(0, 69)}...` : text
}
