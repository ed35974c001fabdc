/** What every adapter refuses: a client outside a transaction, where nothing would be protected. */
import { ConfigurationError } from '../../base/errors.ts'

/** `advice`: how one begins a transaction with this client. */
export function outside(what: string, advice: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(`${what} is not in a transaction, so nothing would be protected. ${advice}`, { cause })
}

/** No name that somebody else has chosen, since MySQL forgets an older savepoint of the same name. */
const SAVEPOINT = 'holdfast_inside'

/**
 * For clients that do not say whether they are in a transaction: a savepoint, which all servers refuse outside of one,
 * or have forgotten by the next statement. Two short round trips, once.
 */
export function provedBySavepoint(
  run: (text: string) => Promise<unknown>,
  refusal: (cause: unknown) => Error,
): () => Promise<void> {
  let proof: Promise<void> | undefined
  const prove = async (): Promise<void> => {
    try {
      await run(`SAVEPOINT ${SAVEPOINT}`)
      await run(`RELEASE SAVEPOINT ${SAVEPOINT}`)
    } catch (cause) {
      throw isOutside(cause) ? refusal(cause) : cause
    }
  }
  return () => (proof ??= prove())
}

/** PostgreSQL: no active transaction; MySQL: SAVEPOINT does not exist. */
function isOutside(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === '25P01') || ('errno' in error && error.errno === 1305)
}

/** The rows of a client's answer, whatever else stands in it. */
export function rowsIn(answer: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(answer) ? answer.filter(isRow) : []
}

function isRow(row: unknown): row is Record<string, unknown> {
  return typeof row === 'object' && row !== null && !Array.isArray(row)
}

/** The first of these fields that counts something; 0: none does. */
export function countIn(answer: unknown, ...names: readonly string[]): number {
  if (typeof answer !== 'object' || answer === null) return 0
  for (const name of names) {
    const count: unknown = Reflect.get(answer, name)
    if (typeof count === 'number' || typeof count === 'bigint') return Number(count)
  }
  return 0
}
