/**
 * Removes records that nobody needs, as the work goes on and without a timer: after every 64 writes the next 64 rows
 * from a random place on, up or down, are looked at, of whatever namespace. Ids are hashes, so every row's turn
 * comes as often; a write makes at most one row and looks at one, so the table holds at most about twice the keys of a
 * day.
 */
import { randomBytes } from 'node:crypto'
import { systemClock } from '../../base/clock.ts'
import { bytes } from '../../base/decode.ts'
import type { Io } from '../../store/contract.ts'
import type { Reply } from './client.ts'
import { FORGET, OLD } from './statements.ts'
import type { Values } from './statements.ts'

const ROWS = 64
const SWEEP_MS = 1_000

export interface Sweeper {
  /** Something was written. */
  wrote(): void
}

export function createSweeper(ask: (text: string, values: Values, io: Io) => Promise<Reply>): Sweeper {
  let writes = 0

  /** Never rejects: what is not swept now will be another time. */
  async function sweep(): Promise<void> {
    const io = { timeoutMs: SWEEP_MS }
    try {
      const { rows } = await ask(systemClock.random() < 0.5 ? OLD[0] : OLD[1], [randomBytes(32), ROWS], io)
      if (rows.length > 0) await ask(FORGET, [rows.map(row => bytes(row, 'id'))], io)
    } catch {
      // As above.
    }
  }

  return {
    wrote() {
      writes += 1
      if (writes % ROWS === 0) void sweep()
    },
  }
}
