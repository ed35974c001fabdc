/**
 * Cases side by side in a runner that calls them one after the other.
 *
 * Most of a case's time is waiting, so while the runner waits for one, those that it will call next run already, and
 * each test tells the outcome of its own. That begins only where the runner goes from one case to the next in order:
 * who asks for a single case gets that one alone. A runner that calls several at once is welcome too.
 *
 * A case that takes the store away from all others (by a restart) runs with nobody beside it, and never ahead.
 */
export interface Work<T> {
  readonly alone: boolean
  start(): Promise<T>
}

export interface SideBySide<T> {
  /** The outcome of this work, which may have been under way for a while. */
  outcome(work: Work<T>): Promise<T>
  /** When nothing runs any more. */
  idle(): Promise<void>
}

/** `atOnce` is asked before each start. */
export function sideBySide<T>(works: readonly Work<T>[], atOnce: () => number): SideBySide<T> {
  const outcomes = new Map<Work<T>, Promise<T>>()
  const line: { readonly work: Work<T>; begin(): void }[] = []
  let running = 0
  let alone = false
  let called = -1
  let ahead = false

  function enqueue(work: Work<T>): Promise<T> {
    const outcome = new Promise<void>(begin => line.push({ work, begin })).then(() => work.start()).finally(ended)
    // Its own test tells of a failure; until that is called nobody listens.
    outcome.catch(() => {})
    outcomes.set(work, outcome)
    return outcome
  }

  function ended(): void {
    running -= 1
    alone = false
    advance()
  }

  function advance(): void {
    while (!alone && running < atOnce()) {
      if (line.length === 0) lookAhead()
      const [first] = line
      if (first === undefined || (first.work.alone && running > 0)) return
      line.shift()
      running += 1
      alone = first.work.alone
      first.begin()
    }
  }

  function lookAhead(): void {
    const next = ahead && works.slice(called + 1).find(work => !work.alone && !outcomes.has(work))
    if (next) void enqueue(next)
  }

  return {
    outcome(work) {
      const index = works.indexOf(work)
      ahead = index === called + 1
      called = index
      const outcome = outcomes.get(work) ?? enqueue(work)
      advance()
      return outcome
    },
    idle: async () => void (await Promise.allSettled(outcomes.values())),
  }
}
