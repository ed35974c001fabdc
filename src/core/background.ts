/** Work that nobody waits for: its errors are dealt with where it is written, and close() waits for its end. */
export interface Background {
  run(work: Promise<unknown>): void
  /** Resolves when all that was under way has ended. */
  idle(): Promise<void>
}

export function createBackground(): Background {
  const running = new Set<Promise<unknown>>()
  return {
    run(work) {
      const ended = work.then(
        () => running.delete(ended),
        () => running.delete(ended),
      )
      running.add(ended)
    },
    async idle() {
      await Promise.all(running)
    },
  }
}
