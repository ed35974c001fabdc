/** What `holdfast run` says besides the command's own output: short lines on stderr, or the same as JSON lines. */
import { json } from '../../base/text.ts'

export interface Reporter {
  /** `event` names it for programs; details go into the JSON line only. */
  say(event: string, text: string, details?: Readonly<Record<string, unknown>>): void
  /** For programs only: a person sees it anyway. */
  note(event: string, details: Readonly<Record<string, unknown>>): void
}

/** What the exit code says as well: 75 and 76. */
const IN_EXIT_CODE: ReadonlySet<string> = new Set([
  'refused',
  'waiting',
  'still-waiting',
  'timed-out',
  'revoked',
  'lost',
  'stopped',
])

export function createReporter(options: { readonly json: boolean; readonly quiet: boolean }): Reporter {
  const line = (text: string): void => void process.stderr.write(`${text}\n`)
  const note: Reporter['note'] = (event, details) => {
    if (options.json) line(json({ event, ...details }))
  }
  return {
    note,
    say(event, text, details = {}) {
      if (options.quiet && IN_EXIT_CODE.has(event)) return
      if (options.json) note(event, { ...details, message: text })
      else line(`holdfast: ${text}`)
    },
  }
}
