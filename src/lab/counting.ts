/** How often a store is asked. What it answers by itself, such as a push, costs nobody a question. */
import type { Store } from '../store/contract.ts'

export interface Counting {
  /** What the locks are opened on. */
  through(store: Store): Store
  /** Since the beginning. */
  asked(): number
}

export function createCounting(): Counting {
  let asked = 0
  const counted = <Args extends readonly unknown[], Answer>(verb: (...args: Args) => Answer) => {
    return (...args: Args): Answer => {
      asked += 1
      return verb(...args)
    }
  }
  return {
    through: store => ({
      ...store,
      enter: counted((request, io) => store.enter(request, io)),
      renew: counted((renewals, io) => store.renew(renewals, io)),
      leave: counted((request, io) => store.leave(request, io)),
      inspect: counted((key, io) => store.inspect(key, io)),
    }),
    asked: () => asked,
  }
}
