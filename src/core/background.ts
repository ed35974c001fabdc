/** Work that nobody waits for: its errors are dealt with where it is written, and close() waits for its end. */
export interface Background {
  run(work: Promise<unknown>): void
  /** What repeats itself stops after its present try. */
  readonly closing: boolean
  /** No more repeating; resolves when all that was under way has ended. */
  end(): Promise<void>
}

export function createBackground(): Background {
  const running = new Set<Promise<unknown>>()
  let closing = false
  return {
    get closing() {
      return closing
    },
    run(work) {
      const ended: Promise<void> = work.then(
        () => void running.delete(ended),
        () => void running.delete(ended),
      )
      running.add(ended)
    },
    async end() {
      closing = true
      while (running.size > 0) await Promise.all(running)
    },
  }
}
