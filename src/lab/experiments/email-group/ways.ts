/** Ways to upload: what keeps two uploads apart, and what a crash in the middle leaves. */
import type { Connection } from '../../database.ts'
import type { Way } from '../../declaration.ts'
import { underTableLock } from '../../lock-table.ts'
import { ifFree, underLock } from '../../sections.ts'
import type { Section } from '../../sections.ts'
import type { Upload } from './upload.ts'

interface Means extends Section {
  readonly holder: string
  readonly connection: Connection
  readonly upload: Upload
}
export interface Does {
  /** null: it was refused. */
  run(means: Means): Promise<unknown>
  /** What the second must have come to before the first goes on. null: the first is killed instead. */
  readonly meets: readonly string[] | null
}

const BOTH = ['half', 'waits', 'refused']

const none: Does = {
  meets: BOTH,
  run({ turn, upload }) {
    turn.act('works')
    return upload.inBatches()
  },
}
const refused: Does = {
  meets: BOTH,
  run: means => ifFree(means, () => means.upload.inBatches().then(() => true)),
}
const waited: Does = { meets: BOTH, run: means => underLock(means, () => means.upload.inBatches()) }
const expiring: Does = {
  meets: ['half'],
  run: means => underTableLock({ ...means, ttlMs: 300 }, () => means.upload.inBatches()),
}
const crashed: Does = { ...waited, meets: null }
const inTransaction: Does = {
  meets: null,
  run: means => underLock(means, () => means.connection.transaction(tx => means.upload.inBatches(tx))),
}
const staged: Does = { meets: null, run: means => underLock(means, () => means.upload.beside()) }

type Name = 'none' | 'expiring' | 'refused' | 'waited' | 'crashed' | 'transaction' | 'staged'
export const ways: Readonly<Record<Name, Way<Does>>> = {
  none: { is: 'no lock', does: none, sabotage: refused },
  expiring: {
    is: "the text's own lock, and an upload that takes longer than its expiry",
    does: expiring,
    sabotage: { ...waited, meets: ['waits'] },
  },
  refused: { is: 'a lock; who finds it taken is refused', does: refused, sabotage: none },
  waited: { is: 'a lock; who finds it taken waits', does: waited, sabotage: none },
  crashed: { is: 'a lock, and a crash in the middle', does: crashed, sabotage: staged },
  transaction: { is: 'a crash in the middle of one transaction', does: inTransaction, sabotage: crashed },
  staged: { is: 'a crash while a table beside the group is filled', does: staged, sabotage: crashed },
}
