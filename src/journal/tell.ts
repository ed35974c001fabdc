/** A story in words: the table of its leases, and a sentence for each thing that went wrong. */
import { humanMs } from '../base/duration.ts'
import { showAt } from './model.ts'
import { DEEDS } from './stories.ts'
import type { Deed, LeaseStory, Story, Trouble } from './stories.ts'

const TITLES: Readonly<Record<Deed, string>> = {
  read: 'read',
  write: 'wrote',
  commit: 'committed',
  confirmation: 'confirmed',
  refused: 'refused',
}

/** A row for each lease, and the titles; deeds that nobody did have no column. Empty where the journals do not tell. */
export function tableOf({ leases }: Story): { readonly titles: readonly string[]; readonly rows: readonly string[][] } {
  const deeds = DEEDS.filter(deed => leases.some(lease => lease.deeds[deed] !== undefined))
  const titles = ['holder', 'token', 'acquired', 'over', 'by', ...deeds.map(deed => TITLES[deed])]
  return { titles, rows: leases.map(lease => rowOf(lease, deeds)) }
}

function rowOf({ holder, token, acquiredAt, overAt, ended, deeds }: LeaseStory, shown: readonly Deed[]): string[] {
  const at = (ms: number | null | undefined): string => (typeof ms === 'number' ? showAt(ms) : '')
  const over = overAt === null ? '?' : showAt(overAt)
  return [holder, String(token ?? ''), at(acquiredAt), over, ended ?? '?', ...shown.map(deed => at(deeds[deed]))]
}

/** What it is, in a word or two, and the sentence. */
export function tellTrouble(trouble: Trouble): { readonly what: string; readonly text: string } {
  const { holder } = trouble
  switch (trouble.kind) {
    case 'overlap': {
      const { pastMs, forMs } = trouble
      const how =
        pastMs === null
          ? 'both believed to hold it'
          : `${holder} was still at work, ${humanMs(pastMs)} after its lease was over, while ${trouble.with} held it`
      const who = pastMs === null ? `${holder} and ${trouble.with} ${how}` : how
      return { what: 'OVERLAP', text: `${who}: together for ${humanMs(forMs)}` }
    }
    case 'late write':
      return { what: 'LATE WRITE', text: `${holder} wrote ${humanMs(trouble.pastMs)} after its lease was over` }
    case 'refused write': {
      const { token, newest } = trouble
      const why = newest === null ? '' : `: token ${token ?? 'unknown'} is too old, the resource has seen ${newest}`
      return { what: 'REFUSED WRITE', text: `${holder} was refused${why}` }
    }
    case 'lost lease':
      return { what: 'LOST LEASE', text: `${holder} lost its lease: ${trouble.reason}` }
  }
}
