/** How late this process itself was: what a bound on the moment of an event has to allow for on a busy machine. */
import { onTestFinished } from 'vitest'

const TICK_MS = 5

/** Watches from now to the end of the test; gives the longest that the event loop stood still so far. */
export function watchStalls(): () => number {
  let last = performance.now()
  let longest = 0
  const look = (): number => {
    const now = performance.now()
    longest = Math.max(longest, now - last - TICK_MS)
    return now
  }
  const timer = setInterval(() => (last = look()), TICK_MS)
  onTestFinished(() => clearInterval(timer))
  return () => {
    look()
    return longest
  }
}
