/**
 * Puts a lease back on nodes that have lost it or were away when it was granted. Without that a lease that is held for
 * days would end when a majority of the nodes has been restarted once, though never two at a time.
 *
 * Only right after a majority has renewed the lease, only where the place is free and no later token was given, and
 * never counted in the renewal that showed the need: a part that is put back counts from the next one on.
 */
import type { TicketRequest } from '../../store/contract.ts'
import { words } from './answers.ts'
import type { Node } from './node.ts'
import { ADOPT } from './statements.ts'

export interface RepairOptions {
  readonly prefix: string
  readonly nodeTimeoutMs: number
  readonly maxTtlMs: number
}

export interface Repair {
  /** From now on this ticket is held with this token. */
  holds(request: TicketRequest, token: number): void
  /** No longer: nothing is put back any more. Tells for a node whether a request to put it back is still under way. */
  ends(id: string): (node: Node) => boolean
  /** A majority has renewed the ticket, and this node does not have it. Returns at once, never throws. */
  missing(node: Node, id: string, ttlMs: number): void
}

interface Held {
  readonly request: TicketRequest
  readonly token: number
  readonly underWay: Set<Node>
}

export function createRepair({ prefix, nodeTimeoutMs, maxTtlMs }: RepairOptions): Repair {
  const held = new Map<string, Held>()

  async function adopt(node: Node, { request, token, underWay }: Held, ttlMs: number): Promise<void> {
    const { key, id, tokens, holder, meta } = request
    underWay.add(node)
    try {
      const values = [id, token, tokens, holder, JSON.stringify(meta), ttlMs, maxTtlMs, node.trusted()]
      const [answer, run = ''] = words(
        await node.ask(ADOPT, [prefix + key], values.map(String), { timeoutMs: nodeTimeoutMs }),
      )
      underWay.delete(node)
      // The next renewal asks again, by then with the run that is trusted.
      if (answer === 'young') await node.persists(run, { timeoutMs: nodeTimeoutMs })
    } catch {
      // It stays marked: the request may still be under way. The next renewal sees whether the node has it.
    }
  }

  return {
    holds(request, token) {
      held.set(request.id, { request, token, underWay: new Set() })
    },
    ends(id) {
      const underWay = held.get(id)?.underWay
      held.delete(id)
      return node => underWay?.has(node) === true
    },
    missing(node, id, ttlMs) {
      const lease = held.get(id)
      if (lease !== undefined) void adopt(node, lease, ttlMs)
    },
  }
}
