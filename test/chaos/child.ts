/** A worker as a process of its own; its parent hears what it believes, and ends it. */
import { openStore } from '../../src/open.ts'
import type { Word } from './ledger.ts'
import { work } from './worker.ts'

const [name = '', seed = '', address = '', namespace = '', sabotageMs = ''] = process.argv.slice(2)
const stop = new AbortController()
process.on('message', () => stop.abort())
// Whose parent has gone has nobody to tell.
process.on('disconnect', () => process.exit(0))
// Ctrl-C is the parent's affair.
process.on('SIGINT', () => {})

function tell(word: Word): Promise<void> {
  return new Promise((resolve, reject) =>
    process.send?.(word, (error: Error | null) => (error ? reject(error) : resolve())),
  )
}

await work({
  ...{ name, seed: Number(seed), sabotageMs: Number(sabotageMs), stopped: stop.signal, tell },
  make: () => openStore(address, namespace),
})
process.disconnect()
