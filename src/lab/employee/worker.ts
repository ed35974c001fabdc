/** A worker of the employee experiment: at every tick one update, reported at once. */
import { join } from 'node:path'
import { openJournal } from '../../journal/write.ts'
import type { Fields } from '../../base/decode.ts'
import { flag, number, oneOf, text } from '../../base/decode.ts'
import { open } from '../../open.ts'
import type { Performer, Turn, WorkerPart } from '../experiment.ts'
import { ticks } from '../host-time.ts'
import { employeeDatabase } from './data.ts'
import { encodeMutation } from './rounds.ts'
import { mutate, WAYS } from './ways.ts'
import type { Mark } from './ways.ts'

export const employeeWorker: WorkerPart = {
  async open(config: Fields, index: number): Promise<Performer> {
    const holder = `worker ${index + 1}`
    const key = text(config, 'key')
    const path = config['journal'] === null ? null : join(text(config, 'journal'), `worker-${index + 1}.journal`)
    const locks = await open(text(config, 'store'), path === null ? { holder } : { holder, journal: path })
    const journal = path === null ? null : openJournal(path, holder)
    const data = await (await employeeDatabase(text(config, 'db'))).open()
    const mark: Mark = (type, version) => journal?.write({ type, key, version })
    const shared = { data, locks, key, mark, thinkMs: number(config, 'thinkMs') }
    const schedule = { intervalMs: number(config, 'intervalMs'), durationMs: number(config, 'durationMs') }

    return {
      async perform(order: Fields, turn: Turn): Promise<void> {
        const way = oneOf(order, 'way', WAYS)
        const means = { ...shared, sabotaged: flag(order, 'sabotaged') }
        for await (const tick of ticks({ startAt: turn.startAt, ...schedule }, turn.signal)) {
          try {
            turn.report(encodeMutation(tick, await mutate(way, means, turn.signal)))
          } catch (error) {
            // Given up because the round was ended: that is no attempt.
            if (turn.signal.aborted) return
            turn.report({ outcome: 'failed', tick, problem: error instanceof Error ? error.message : String(error) })
          }
        }
      },
      async close(): Promise<void> {
        await data.close()
        await locks.close({ drain: 0 })
        journal?.close()
      },
    }
  },
}
