/**
 * The library with bugs put in, each of which the simulation must find: a judge who never convicts proves nothing.
 *
 * A mutant is a copy of the sources in which some texts, each found exactly once, are replaced. So a mutant whose text
 * has gone from the sources fails loudly instead of passing for found.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { StoreUnavailableError } from '../../src/base/errors.ts'
import type { memoryStore } from '../../src/drivers/memory.ts'
import type { createLocksOn } from '../../src/locks/locks.ts'
import type { Modules } from './modules.ts'

interface Patch {
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  readonly name: string
  /** A seed near which it was found, where the first ones do not: all are told, beginning there. Default: 1. */
  readonly near?: number
  readonly patches: readonly Patch[]
}

const windowOfEnter: readonly Patch[] = [
  {
    find: 'const validUntil = closesAt(sentAt, leftMs, store.traits)',
    replace: 'const validUntil = closesAt(clock.now(), leftMs, store.traits)',
  },
]
const windowOfRenewal: readonly Patch[] = [
  { find: 'closesAt(sentAt, answer.leftMs, store.traits)', replace: 'closesAt(now, answer.leftMs, store.traits)' },
]

/** A late heartbeat finds the ticket of its id, though its time was up, at its old place. */
const AWAKE = `function awake(queue, id) {
  const found = queue.asleep?.find(ticket => ticket.id === id)
  if (found === undefined) return queue
  const tickets = [...queue.tickets, found].toSorted((a, b) => a.token - b.token)
  return { ...queue, tickets, asleep: queue.asleep.filter(ticket => ticket !== found) }
}
/** True when the record of a lock may be dropped`

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a waiter starts on a push without asking its own clock',
    patches: [
      { find: 'now < attempt.aliveUntil && wanted.autoRenew', replace: 'wanted.autoRenew' },
      {
        find: '&& attempt.aliveUntil - now >= Math.min(this.#core.waiterTtlMs, wanted.ttlMs) * ENOUGH_LIFE',
        replace: '',
      },
      { find: 'validUntil: attempt.aliveUntil }', replace: 'validUntil: now + this.#wanted.ttlMs }' },
    ],
  },
  { name: 'the window counts from the arrival of the reply', patches: [...windowOfEnter, ...windowOfRenewal] },
  {
    name: 'expired tickets are skipped, not removed',
    patches: [
      {
        find: 'const queue = sweep(before, now)\n  const forbidden =',
        replace: 'const queue = awake(sweep(before, now), request.id)\n  const forbidden =',
      },
      {
        find: 'const queue = sweep(before, now)\n  const index =',
        replace: 'const queue = awake(sweep(before, now), request.id)\n  const index =',
      },
      {
        find: 'return { ...queue, tickets, forbidden }',
        replace:
          'return { ...queue, tickets, forbidden, asleep: [...(queue.asleep ?? []), ...queue.tickets.filter(ticket => ticket.expiresAt <= now.ms)] }',
      },
      { find: '/** True when the record of a lock may be dropped', replace: AWAKE },
    ],
  },
  {
    name: 'a leave forbids nothing',
    patches: [{ find: 'if (forbidMs > 0) queue = forbid(', replace: 'if (forbidMs < 0) queue = forbid(' }],
  },
  { name: 'the window of a new lease counts from the arrival of the reply', patches: windowOfEnter },
  { name: 'the window of a renewal counts from the arrival of the reply', patches: windowOfRenewal },
  {
    name: 'a late renewal revives a lost lease',
    patches: [{ find: 'watches.get(ticket) !== watch || !ticket.isHeld()', replace: 'watches.get(ticket) !== watch' }],
  },
  {
    name: 'a renewal may shorten the window',
    patches: [{ find: 'Math.max(this.validUntil, Math.min(validUntil', replace: 'Math.max(0, Math.min(validUntil' }],
  },
  {
    name: 'no timer watches the end of the window',
    patches: [{ find: 'watch.wakeAt = Math.min(ticket.validUntil, renewAt)', replace: 'watch.wakeAt = renewAt' }],
  },
  {
    name: 'each of a batch takes the first answer',
    patches: [{ find: 'settle(sent, answers[index])', replace: 'settle(sent, answers[0])' }],
  },
  {
    name: 'a push wakes everybody',
    patches: [
      {
        find: 'if (target) target.holds()',
        replace: 'for (const each of room.named?.values() ?? []) each.holds()\n        if (target) target.holds()',
      },
    ],
  },
  {
    name: 'news that overtake the answer are dropped',
    patches: [{ find: 'else if (news?.holds.has(target.token) === true) target.holds()', replace: '' }],
  },
  { name: 'a gap is overheard', patches: [{ find: 'this.#asked = true\n    this.#wake?.()', replace: '' }] },
  {
    name: 'a waiter sleeps until it is pushed',
    patches: [
      {
        find: 'const timer = this.#core.clock.after(ms, done)',
        replace: 'const timer = this.#core.clock.after(Infinity, done)',
      },
    ],
  },
  {
    name: 'a new attempt keeps the old id',
    patches: [
      {
        find: 'this.#attempt = newAttempt(this.#core, this.#wanted.key)\n    this.#pushed = false',
        replace:
          'this.#attempt = { ...newAttempt(this.#core, this.#wanted.key), id: this.#attempt.id }\n    this.#pushed = false',
      },
    ],
  },
  {
    name: 'who gives up does not leave',
    patches: [{ find: 'if (!attempt.sent) return', replace: 'if (attempt !== null) return' }],
  },
  {
    name: 'who is revoked does not leave',
    patches: [
      {
        find: "(outcome.value.status === 'forbidden' && outcome.value.reason === 'left')",
        replace: "outcome.value.status === 'forbidden'",
      },
    ],
  },
  {
    name: 'a release forbids nothing to a request under way',
    patches: [{ find: 'ticket.unanswered ? FORBID_MS : 0', replace: '0' }],
  },
  {
    name: 'a loss forgets minHold',
    patches: [
      {
        find: 'const keepUntil = passing.used === 0 ?',
        replace: "const keepUntil = ticket.state === 'lost' || passing.used === 0 ?",
      },
    ],
  },
  {
    name: 'a ticket lost between two tasks is not left',
    patches: [{ find: 'leaveWhenDone(held)\n        held.changed()', replace: 'held.changed()' }],
  },
  {
    name: 'a task whose wait is over stands in line until it knows who was in its way',
    near: 1_580,
    patches: [
      {
        find: 'line.queue.delete(applicant)\n    shorter(line)\n    const holders',
        replace: 'line.queue.delete(applicant)\n    const holders',
      },
    ],
  },
  {
    name: 'the row of a key is forgotten by its key alone',
    patches: [{ find: '&& rows.get(row.key) === row) rows', replace: ') rows' }],
  },
  {
    name: 'a lease is passed on before its task is done',
    patches: [{ find: "(cohort.wanted.mode === 'exclusive' && held.running.size > 0)", replace: 'false' }],
  },
  {
    name: 'a lease is passed on with hardly any window',
    patches: [{ find: ' && ticket.validUntil - now >= ticket.ttlMs / 2', replace: '' }],
  },
  {
    name: 'a lease is passed on inside the process without end',
    patches: [
      {
        find: 'if (contendedPasses >= limits.contendedPasses || now - contendedSince > limits.contendedForMs)',
        replace: 'if (contendedPasses < 0)',
      },
    ],
  },
  {
    name: 'old news of waiters is believed',
    near: 1_600,
    patches: [{ find: 'now - ticket.newsAt <= limits.contendedForMs && ', replace: '' }],
  },
  {
    name: 'the store lets a refresh shorten a life',
    patches: [
      {
        find: 'return expiresAt > ticket.expiresAt ? { ...ticket, expiresAt, lifeMs } : ticket',
        replace: 'return { ...ticket, expiresAt, lifeMs }',
      },
    ],
  },
  {
    name: 'a waiter counts on its waiting life beyond its ttl',
    patches: [{ find: 'Math.min(leftMs, ttlMs, maxHoldMs)', replace: 'leftMs' }],
  },
  {
    name: 'readers overtake a writer that waits',
    patches: [
      {
        find: "if (ticket.mode === 'exclusive') return count === 0 ? 1 : count",
        replace:
          "if (ticket.mode === 'exclusive' && count === 0) return 1\n    if (ticket.mode === 'exclusive') continue",
      },
    ],
  },
]

const root = fileURLToPath(new URL('../../', import.meta.url))
const NEEDED = ['base', 'core', 'journal', 'store', 'drivers/memory.ts', 'drivers/shared', 'locks']

/** A copy of the sources, patched and loaded. @throws if a text is not there exactly once */
export async function loadMutant({ name, patches }: Mutant): Promise<Modules> {
  const folder = `${root}.mutants/${name.replaceAll(/[^a-z]+/gi, '-')}/`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const path of NEEDED) cpSync(`${root}src/${path}`, folder + path, { recursive: true })
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.ts'))
  for (const { find, replace } of patches) {
    const pattern = anyForm(find)
    const found = paths.flatMap(path =>
      Array<string>(readFileSync(folder + path, 'utf8').split(pattern).length - 1).fill(folder + path),
    )
    const [path] = found
    if (path === undefined || found.length > 1)
      throw new Error(`mutant "${name}": the sources hold ${JSON.stringify(find)} ${found.length} times, not once`)
    writeFileSync(path, readFileSync(path, 'utf8').split(pattern).join(replace))
  }
  const locks: { createLocksOn: typeof createLocksOn } = await import(`${folder}locks/locks.ts`)
  const memory: { memoryStore: typeof memoryStore } = await import(`${folder}drivers/memory.ts`)
  const errors: { StoreUnavailableError: typeof StoreUnavailableError } = await import(`${folder}base/errors.ts`)
  return {
    createLocksOn: locks.createLocksOn,
    memoryStore: memory.memoryStore,
    StoreUnavailableError: errors.StoreUnavailableError,
  }
}

/** The text wherever the formatter has broken its lines. */
function anyForm(text: string): RegExp {
  const words = text
    .split(/\s+/)
    .map(word => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\\(', '\\(\\s*'))
  return new RegExp(words.join('[\\s*]+'))
}
