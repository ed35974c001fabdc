/** Which keys the running call chain holds, so that waiting for oneself can be told from waiting for somebody else. */
import { AsyncLocalStorage } from 'node:async_hooks'

/** A task that runs as holding `keys`. */
export interface Link {
  readonly keys: readonly string[]
  readonly above: Link | undefined
  /** False once its task has settled: what it left running holds nothing any more. */
  readonly holding: boolean
}

const chain = new AsyncLocalStorage<Link>()

/** Runs `task` as holding `keys`. Its promise is the task's end. */
export async function holdingKeys<T>(keys: readonly string[], task: () => Promise<T>): Promise<T> {
  const link = { keys, above: chain.getStore(), holding: true }
  try {
    return await chain.run(link, task)
  } finally {
    link.holding = false
  }
}

/** The innermost `run()` of that key which this call chain is inside of; null: none. */
export function heldHere(key: string): Link | null {
  for (let link = chain.getStore(); link !== undefined; link = link.above)
    if (link.holding && link.keys.includes(key)) return link
  return null
}
