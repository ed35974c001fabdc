/**
 * One of the servers: asked by script, with a deadline for each question, and remembered for what it owes us.
 *
 * A node that did not answer its last question is `silent`: it is still asked, but nobody waits for it while others can
 * decide. What must reach it all the same (a release, an attempt given up) is owed, and sent again as soon as it
 * answers anything.
 */
import { systemClock } from '../../base/clock.ts'
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import type { RedisConnection, RedisScript } from '../redis/connection.ts'

/** A request that a node must get even if it comes late. `args` are made when it is sent; null: no longer of use. */
export interface Owed {
  readonly script: RedisScript
  readonly key: string
  readonly args: () => readonly string[] | null
}

export interface Node {
  /** For messages, and for people. */
  readonly name: string
  readonly connection: RedisConnection
  /** It did not answer what it was asked last. */
  silent(): boolean
  /**
   * The run of the server (its run_id) that has forgotten nothing: it is old enough, or has on disk what it confirmed.
   * '' none known.
   */
  trusted(): string
  trust(run: string): void
  /** One script, one answer. @throws StoreUnavailableError | ConfigurationError */
  ask(script: RedisScript, keys: readonly string[], args: readonly string[], io: Io): Promise<unknown>
  /**
   * True if this run of the server writes to disk before it confirms (append-only file, fsync always). Asked once for
   * each run.
   */
  persists(run: string, io: Io): Promise<boolean>
  /** `name` tells what it replaces: the newest request for one id is the one that counts. */
  owe(name: string, request: Owed): void
}

/** More debts than this, and the oldest are dropped: what they concern dies by itself. */
const MOST_DEBTS = 10_000

export function createNode(connection: RedisConnection, index: number, timeoutMs: number): Node {
  const debts = new Map<string, Owed>()
  let silent = false
  let trusted = ''
  let untrusted = ''
  let asking: { readonly run: string; readonly answer: Promise<boolean> } | null = null
  let paying = false

  async function send(script: RedisScript, keys: readonly string[], args: readonly string[], io: Io): Promise<unknown> {
    try {
      const read = (reply: string): unknown => decode(reply, connection.where)
      const answer = await connection.run({ script, keys, args, read }, io)
      silent = false
      return answer
    } catch (cause) {
      silent = !(cause instanceof ConfigurationError)
      throw cause
    }
  }

  async function pay(): Promise<void> {
    paying = true
    try {
      for (const [name, request] of debts) {
        const args = request.args()
        if (args !== null) await send(request.script, [request.key], args, { timeoutMs })
        if (debts.get(name) === request) debts.delete(name)
      }
    } catch {
      // It stopped answering again: the rest stays owed.
    } finally {
      paying = false
    }
  }

  async function askPersistence(run: string, io: Io): Promise<boolean> {
    const deadline = systemClock.now() + io.timeoutMs
    const info = String(await connection.command('INFO', ['persistence'], io))
    const always =
      /aof_enabled:1/.test(info) &&
      (await settingOf(connection, 'appendfsync', { timeoutMs: Math.max(1, deadline - systemClock.now()) })) ===
        'always'
    if (always) trusted = run
    else untrusted = run
    return always
  }

  return {
    name: connection.where === 'the Redis client that was passed' ? `node ${index + 1}` : connection.where,
    connection,
    silent: () => silent,
    trusted: () => trusted,
    trust(run) {
      trusted = run
    },
    async ask(script, keys, args, io) {
      const answer = await send(script, keys, args, io)
      if (debts.size > 0 && !paying) void pay()
      return answer
    },
    async persists(run, io) {
      if (run === trusted) return true
      if (run === untrusted) return false
      if (asking?.run !== run) asking = { run, answer: askPersistence(run, io).finally(() => (asking = null)) }
      return asking.answer
    },
    owe(name, request) {
      debts.delete(name)
      debts.set(name, request)
      for (const oldest of debts.keys()) {
        if (debts.size <= MOST_DEBTS) break
        debts.delete(oldest)
      }
    },
  }
}

/** '' where the server does not tell (CONFIG is often forbidden): then it is not trusted. */
async function settingOf(connection: RedisConnection, name: string, io: Io): Promise<string> {
  try {
    const reply = await connection.command('CONFIG', ['GET', name], io)
    // A list in RESP2, a map in RESP3.
    if (Array.isArray(reply)) return String(reply[1] ?? '')
    return typeof reply === 'object' && reply !== null
      ? String(reply instanceof Map ? reply.get(name) : Reflect.get(reply, name))
      : ''
  } catch (cause) {
    if (cause instanceof StoreUnavailableError && cause.ambiguous) throw cause
    return ''
  }
}

function decode(reply: string, where: string): unknown {
  try {
    const answer: unknown = JSON.parse(reply)
    return answer
  } catch (cause) {
    throw new StoreUnavailableError(`${where} gave an answer that is not one of ours: ${reply.slice(0, 80)}`, { cause })
  }
}
