/** The verbs as calls of the functions that lie in the database (functions.ts). */
import type { LeaveRequest, RenewRequest, RevokeRequest, TicketRequest } from '../../store/contract.ts'
import { idOf, jsonOf } from './answers.ts'
import type { Call, Value } from './link.ts'
import { micros, quoted } from './names.ts'

export interface Statements {
  enter(request: TicketRequest, channel: string | null): Call
  renew(requests: readonly RenewRequest[]): Call
  leave(request: LeaveRequest): Call
  revoke(key: string, request: RevokeRequest): Call
  look(key: string): Call
  /** Of the keys from `low` on, before `high`, as bytes. */
  list(low: Buffer, high: Buffer, size: number): Call
  sweep(after: readonly [space: string, key: string], size: number): Call
}

export function statements(schema: string, namespace: string): Statements {
  const space = Buffer.from(namespace)
  const call = (verb: string, values: readonly Value[], urgent = false): Call => ({
    name: `holdfast_${verb}`,
    text: `SELECT ${quoted(schema)}.holdfast_${verb}(${values.map((_, index) => `$${index + 1}`).join(', ')})`,
    values,
    urgent,
  })

  return {
    enter(request, channel) {
      const { key, id, token = null, mode, limit, ttlMs, waiterTtlMs, queue, tokens, holder, meta } = request
      const lives = [micros(ttlMs), micros(waiterTtlMs)]
      const people = jsonOf([holder, meta])
      return call('enter', [
        ...[
          space,
          Buffer.from(key),
          idOf(id),
          token,
          mode === 'shared',
          limit,
          ...lives,
          queue,
          tokens,
          people,
          channel,
        ],
      ])
    },
    renew(requests) {
      // They come sorted by key: two calls that want the same rows do not wait for each other in a circle.
      const wanted = requests.map(({ key, id, ttlMs }) => [Buffer.from(key).toString('hex'), idOf(id), micros(ttlMs)])
      return call('renew', [space, JSON.stringify(wanted)], true)
    },
    // Somebody may wait for what is given back; what is given up is waited for by nobody before its turn.
    leave: ({ key, id, keepMs, forbidMs }) =>
      call('leave', [space, Buffer.from(key), idOf(id), micros(keepMs), micros(forbidMs)], forbidMs === 0),
    revoke(key, { tickets, reason, now }) {
      const [which, token] = typeof tickets === 'number' ? ['token', tickets] : [tickets, null]
      return call('revoke', [space, Buffer.from(key), which, token, jsonOf(reason), now], true)
    },
    look: key => call('look', [space, Buffer.from(key)]),
    list: (low, high, size) => call('list', [space, low, high, size]),
    sweep: (after, size) => call('sweep', [...after, size]),
  }
}
