/**
 * An experiment judges itself: it knows what each way must show, and what it must not. A repaired way that fails is a
 * defect of ours; a broken one that does not show its problem proves nothing. Either makes the run fail.
 */

export interface Finding {
  /** What is required, as a sentence: "mutex: no data inconsistencies". */
  readonly claim: string
  readonly holds: boolean
  /** What was measured. */
  readonly found: string
}

export function allHold(findings: readonly Finding[]): boolean {
  return findings.length > 0 && findings.every(finding => finding.holds)
}

export function showFindings(findings: readonly Finding[]): string[] {
  return findings.map(({ claim, holds, found }) => `  ${holds ? 'ok  ' : 'FAIL'}  ${claim} (${found})`)
}
