/**
 * Where an error shows that it comes from. Most are made when a timer fires or a store answers, where nobody is on the
 * stack who asked; but the engine knows who awaits a call at the moment in which it goes on. So the stack is taken
 * there, and only of what fails.
 */
import { HoldfastError } from '../base/errors.ts'

/** One error may be the answer to many: each shows its own caller. */
const shown = new WeakSet<HoldfastError>()

/** To be thrown by `above`, the async function that the user called or that is awaited on the way to it. */
export function fromCaller(error: unknown, above: (...args: never[]) => unknown): unknown {
  if (!(error instanceof HoldfastError)) return error
  const mine = shown.has(error) ? copyOf(error) : error
  shown.add(mine)
  Error.captureStackTrace(mine, above)
  return mine
}

function copyOf(error: HoldfastError): HoldfastError {
  const copy: unknown = Object.create(Reflect.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error))
  return copy instanceof HoldfastError ? copy : error
}
