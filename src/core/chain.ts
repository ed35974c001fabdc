/** Which keys the running call chain holds, so that waiting for oneself can be told from waiting for somebody else. */
import { AsyncLocalStorage } from 'node:async_hooks'

interface Link {
  readonly keys: readonly string[]
  readonly above: Link | undefined
}

const chain = new AsyncLocalStorage<Link>()

/** Runs `task` as holding `keys`. */
export function holdingKeys<T>(keys: readonly string[], task: () => T): T {
  return chain.run({ keys, above: chain.getStore() }, task)
}

/** True if this call chain runs inside a `run()` of that key. */
export function holdsAlready(key: string): boolean {
  for (let link = chain.getStore(); link !== undefined; link = link.above) if (link.keys.includes(key)) return true
  return false
}
