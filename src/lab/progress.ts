/**
 * How far it is, for somebody who sits in front of it: one line of a terminal, written again and again and gone when
 * there is something to read. Where nobody sits (a pipe, a file, CI) there is none.
 */
import { systemClock } from '../base/clock.ts'
import type { Clock, Timer } from '../base/clock.ts'

export interface Progress {
  /** What goes on now. Beside it stands for how long, which goes on by itself. */
  show(text: string): void
  /** Takes the line away, so that something can be written; the next `show` brings it back. */
  clear(): void
}

export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const EVERY_MS = 1_000
const ERASE = '\r\x1b[K'

export function progressOn(terminal: Terminal, clock: Clock = systemClock): Progress {
  if (terminal.isTTY !== true || process.env['TERM'] === 'dumb') return { show() {}, clear() {} }
  const beganAt = clock.now()
  let timer: Timer | null = null

  function clear(): void {
    if (timer === null) return
    timer.cancel()
    timer = null
    terminal.write(ERASE)
  }

  function show(text: string): void {
    clear()
    const line = `${text}  ${Math.floor((clock.now() - beganAt) / 1_000)} s`
    // A line that wraps could not be taken away again.
    terminal.write(line.slice(0, (terminal.columns ?? 80) - 1))
    timer = clock.after(EVERY_MS, () => show(text), { idle: true })
  }
  return { show, clear }
}
