/**
 * Entering: two rounds, taken again while contenders stand in each other's way and nobody holds, and what is taken back
 * by who has lost.
 *
 * Every attempt has a number of its own, so that taking one back also stops its requests that are still under way,
 * without touching a later attempt of the same id. Reservations live for the two rounds and no longer: who dies between
 * them blocks nobody for a ttl.
 */
import { systemClock } from '../../base/clock.ts'
import { within } from '../../base/deadline.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Entry, Io, TicketRequest } from '../../store/contract.ts'
import { committed, done, reserved } from './answers.ts'
import type { Committed, Mine, Reserved } from './answers.ts'
import { ballot } from './ballot.ts'
import { commitmentOf, refreshmentOf, reservationOf, SPLIT_RETRY_MS } from './decide.ts'
import type { Node } from './node.ts'
import { COMMIT, RESERVE, UNDO } from './statements.ts'

export interface EntranceOptions {
  readonly prefix: string
  readonly nodeTimeoutMs: number
  readonly maxTtlMs: number
}

/** One try at both rounds, and what each node is known to have made of its first round. */
interface Attempt {
  readonly request: TicketRequest
  readonly number: number
  readonly at: Map<Node, First>
  readonly asked: Map<Node, Promise<Reserved>>
}

type First = Reserved | 'pending' | { readonly failure: unknown; readonly sent: boolean }

/** After this no client, proxy or paused server lets go of a request that it held back. */
export const LATE_REQUEST_MS = 60_000
/**
 * Contenders who meet settle it among themselves: a refusal says that somebody holds, not that all stood in each
 * other's way.
 */
const TURNS = 8
const NOTHING = (): void => {}

export function createEntrance(
  nodes: readonly Node[],
  { prefix, nodeTimeoutMs, maxTtlMs }: EntranceOptions,
): { enter(request: TicketRequest, io: Io): Promise<Entry> } {
  let attempts = 0
  const reservationMs = 2 * nodeTimeoutMs

  async function enter(request: TicketRequest, io: Io): Promise<Entry> {
    const startedAt = systemClock.now()
    const passed = (): number => systemClock.now() - startedAt
    const left = (): number => Math.max(1, io.timeoutMs - passed())
    const forNode = (): Io => ({ ...io, timeoutMs: Math.min(nodeTimeoutMs, left()) })
    if (request.token !== undefined)
      return ballot(nodes, asking(newAttempt(request), forNode), count => refreshmentOf(request, count))

    const lost: Attempt[] = []
    let holds = false
    try {
      for (let turn = 1; ; turn += 1) {
        const attempt = newAttempt(request)
        lost.push(attempt)
        const outcome = await tryOnce(attempt, forNode)
        holds = outcome !== 'split' && outcome !== 'displaced' && outcome.status === 'holds'
        if (outcome !== 'split' && outcome !== 'displaced') return outcome
        if (turn >= TURNS || passed() >= nodeTimeoutMs)
          return { status: 'refused', retryMs: SPLIT_RETRY_MS, holders: [] }
        // What it has committed would stand in the way of the one who displaced it. Places that are only reserved may
        // stay: they give way to a smaller id by themselves, and so the smallest comes to have them all.
        if (outcome === 'displaced') await within(undo(attempt), { timeoutMs: left(), idle: true, late: NOTHING })
      }
    } finally {
      if (!holds) await within(undoAll(lost), { timeoutMs: left(), idle: true, late: NOTHING })
    }
  }

  /** Both rounds, once. Split: others have reserved too, and nobody holds. */
  async function tryOnce(attempt: Attempt, forNode: () => Io): Promise<Entry | 'split' | 'displaced'> {
    const { request } = attempt
    const reservation = await ballot(nodes, asking(attempt, forNode), count =>
      reservationOf(request.key, count, maxTtlMs),
    )
    if (reservation !== 'won') return reservation
    const token = tokenFor(attempt)
    const leftMs = await ballot(
      nodes,
      node => commit(node, attempt, token, forNode()),
      count => commitmentOf(request, count),
    )
    return leftMs === 'displaced' ? leftMs : { status: 'holds', token, leftMs, waiters: 0 }
  }

  function newAttempt(request: TicketRequest): Attempt {
    attempts += 1
    return { request, number: attempts, at: new Map(), asked: new Map() }
  }

  function asking(attempt: Attempt, forNode: () => Io): (node: Node) => Promise<Reserved> {
    return node => {
      const answer = reserve(node, attempt, forNode())
      attempt.asked.set(node, answer)
      return answer
    }
  }

  async function reserve(node: Node, attempt: Attempt, io: Io): Promise<Reserved> {
    const { request, number, at } = attempt
    const deadline = systemClock.now() + io.timeoutMs
    const ask = async (): Promise<Reserved> => {
      const { id, tokens, holder, meta, ttlMs } = request
      const values = [
        id,
        number,
        request.token ?? 0,
        tokens,
        holder,
        JSON.stringify(meta),
        Math.min(reservationMs, ttlMs),
        ttlMs,
        maxTtlMs,
        node.trusted(),
      ]
      const left = { ...io, timeoutMs: Math.max(1, deadline - systemClock.now()) }
      return reserved(await node.ask(RESERVE, [prefix + request.key], values.map(String), left))
    }
    at.set(node, 'pending')
    try {
      let answer = await ask()
      // It may have forgotten a ticket, unless it writes down what it grants before it says so.
      if (
        answer.is === 'young' &&
        (await node.persists(answer.run, { ...io, timeoutMs: Math.max(1, deadline - systemClock.now()) }))
      )
        answer = await ask()
      // Once old enough it stays so, even if its clock is set back and says otherwise.
      if (answer.is === 'mine' && answer.run !== '') node.trust(answer.run)
      at.set(node, answer)
      return answer
    } catch (failure) {
      at.set(node, { failure, sent: !(failure instanceof StoreUnavailableError) || failure.ambiguous })
      throw failure
    }
  }

  async function commit(
    node: Node,
    { request, number, at, asked }: Attempt,
    token: number,
    io: Io,
  ): Promise<Committed> {
    // A node that is not trusted yet may be asked to reserve twice, and only behind the second is there anything to
    // commit.
    if (at.get(node) === 'pending' && node.trusted() === '') await asked.get(node)
    const first = at.get(node)
    // Where the reservation is not answered yet the commit travels behind it, on the same connection.
    if (first === 'pending' || isMine(first)) {
      return committed(
        await node.ask(
          COMMIT,
          [prefix + request.key],
          [request.id, String(number), String(token), String(request.ttlMs)],
          io,
        ),
      )
    }
    if (first !== undefined && 'failure' in first) throw first.failure
    return { is: 'gone' }
  }

  /**
   * Resolves when the nodes that had granted have taken it back; those that have not answered are not waited for. An id
   * is barred only where a request of it may still be under way: on a healthy node nothing of a lost attempt remains.
   */
  async function undo(attempt: Attempt): Promise<void> {
    const waitedFor: Promise<void>[] = []
    for (const [node, first] of attempt.at) {
      const taken = undoAt(node, attempt)
      if (isMine(first) && !node.silent()) waitedFor.push(taken)
    }
    await Promise.all(waitedFor)
  }

  async function undoAt(node: Node, { request, number, at, asked }: Attempt): Promise<void> {
    await asked.get(node)?.catch(() => {})
    const first = at.get(node)
    const underWay = first !== undefined && first !== 'pending' && 'failure' in first && first.sent
    if (underWay || isMine(first))
      await takeBack(node, prefix + request.key, [request.id, String(number), String(underWay ? LATE_REQUEST_MS : 0)])
  }

  /** Never rejects: what the node has not heard is owed to it. */
  async function takeBack(node: Node, key: string, args: readonly string[]): Promise<void> {
    const startedAt = systemClock.now()
    try {
      done(await node.ask(UNDO, [key], args, { timeoutMs: nodeTimeoutMs }))
    } catch {
      node.owe(`undo ${args[0] ?? ''}`, {
        script: UNDO,
        key,
        args: () => (systemClock.now() - startedAt > maxTtlMs ? null : args),
      })
    }
  }

  async function undoAll(attempts: readonly Attempt[]): Promise<void> {
    await Promise.all(attempts.map(undo))
  }

  return { enter }
}

/**
 * Above all that a majority has given, on any of its clocks, so that it grows also where all data are lost. A ticket
 * that was committed somewhere keeps its token if no other came after it: its owner asks again because it did not hear
 * of it.
 * @throws StoreUnavailableError  a clock beyond the year 2255
 */
function tokenFor({ request, at }: Attempt): number {
  const mine = [...at.values()].filter(isMine)
  const own = Math.max(...mine.map(({ token }) => token))
  if (own > 0 && own >= Math.max(...mine.map(({ others }) => others))) return own
  const token = Math.max(...mine.flatMap(({ end, micros }) => [end, micros]))
  if (Number.isSafeInteger(token + request.tokens)) return token
  throw new StoreUnavailableError(
    `The token ${token} of "${request.key}" is beyond the safe integers: the clock of a node is far in the future.`,
    {
      key: request.key,
    },
  )
}

function isMine(first: First | undefined): first is Mine {
  return first !== undefined && first !== 'pending' && 'is' in first && first.is === 'mine'
}
