/** What the commands that look at locks have in common: where their text goes, and the words for a ticket's state. */
import type { TicketView } from '../../store/contract.ts'

/** Of the reports in JSON: raised when a field changes its meaning or goes. */
export const REPORT_VERSION = 1

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function warn(text: string): void {
  process.stderr.write(`holdfast: ${text}\n`)
}

/** revoked: its owner may not renew it. kept: its owner has gone, and it stays taken for its --min-hold. */
export function marksOf({ revoked, kept }: TicketView): readonly string[] {
  return [...(revoked === true ? ['revoked'] : []), ...(kept === true ? ['kept'] : [])]
}
