/**
 * A store whose lock is ONE record: the verbs, written once over one primitive. Whoever can change a record atomically
 * gives `atomic`: memory makes it of a call, SQLite of a transaction, and `bySwap` of "read it, write it if it is still
 * that version".
 *
 * The transitions of the rule decide everything; a driver says how a record is found, kept and listed, and by what
 * clock. A step that changes nothing writes nothing, so polling costs a read.
 */
import type { LockView } from '../base/view.ts'
import type { Entry, Io, LeaveRequest, Renewal, RenewRequest, Store, StoreTraits } from './contract.ts'
import type { StoreListener, TicketRequest, Was } from './contract.ts'
import { EMPTY, enter, forgettable, leave, renew, revoke, view } from './queue.ts'
import type { Now, Queue, Step } from './queue.ts'

/** Whom a step has let hold or has revoked: what a push tells, once the record is kept. */
export type News = Pick<Step<unknown>, 'holds' | 'revoked'>

/** What has become of a record. `queue`: to be kept, null: the record goes. `changed` false: it is as it was. */
export interface Outcome<Answer> {
  readonly queue: Queue | null
  readonly changed: boolean
  readonly answer: Answer
  readonly news: News
}

/** `before` null: there is no record. `now`: the store's clock, read no earlier than the record. */
export type Change<Answer> = (before: Queue | null, now: Now) => Outcome<Answer>

export interface LockRecord {
  readonly key: string
  readonly queue: Queue
  readonly now: Now
}

export interface Records {
  /**
   * Reads the record, reads the clock, calls `change`, and keeps what it says if it has changed: as if nobody else did
   * so meanwhile. `change` may be called again on a record that is newer. Then tells the news, where there is push.
   */
  atomic<Answer>(key: string, change: Change<Answer>, io: Io): Promise<Answer>
  /** The record as it is; null: there is none. */
  read(key: string, io: Io): Promise<Omit<LockRecord, 'key'> | null>
  /** All records whose key begins so, read literally. */
  list(prefix: string, io: Io): AsyncIterable<LockRecord>
  /** One statement for a new ticket of a lock that nobody has. null: the usual way, please. */
  enterFree?(request: TicketRequest, io: Io): Promise<Entry | null>
  /** One statement for a ticket that is alone. null: the usual way, please. */
  leaveAlone?(request: LeaveRequest, io: Io): Promise<{ readonly was: Was } | null>
  /** Written into every ticket that enters here, such as whom to tell. */
  readonly extra?: string
  listen?(listener: StoreListener): Promise<AsyncDisposable>
  close(): Promise<void>
}

/** The verbs of a store over its records. */
export function recordStore(traits: StoreTraits, records: Records): Store {
  const { extra } = records

  function apply<Answer>(key: string, io: Io, transition: (queue: Queue, now: Now) => Step<Answer>): Promise<Answer> {
    return records.atomic(key, (before, now) => outcomeOf(before, transition(before ?? EMPTY, now), now), io)
  }

  function enterInTurn(request: TicketRequest, io: Io): Promise<Entry> {
    const asked = extra === undefined ? request : { ...request, extra }
    return apply(request.key, io, (queue, now) => enter(queue, asked, now))
  }

  function leaveInTurn(request: LeaveRequest, io: Io): Promise<{ readonly was: Was }> {
    return apply(request.key, io, (queue, now) => leave(queue, request, now))
  }

  async function renewOne(request: RenewRequest, io: Io): Promise<Renewal> {
    try {
      return await apply(request.key, io, (queue, now) => renew(queue, request, now))
    } catch (cause) {
      return { status: 'unknown', cause }
    }
  }

  return {
    traits,
    enter: (request, io) =>
      records.enterFree === undefined || request.token !== undefined
        ? enterInTurn(request, io)
        : records.enterFree(request, io).then(entry => entry ?? enterInTurn(request, io)),
    renew: (renewals, io) => Promise.all(renewals.map(request => renewOne(request, io))),
    leave: (request, io) =>
      records.leaveAlone === undefined || request.keepMs > 0 || request.forbidMs > 0
        ? leaveInTurn(request, io)
        : records.leaveAlone(request, io).then(left => left ?? leaveInTurn(request, io)),
    revoke: (key, request, io) => apply(key, io, (queue, now) => revoke(queue, request, now)),
    async inspect(key, io) {
      const found = await records.read(key, io)
      return found === null ? null : view(key, found.queue, found.now)
    },
    async *list(prefix, io): AsyncIterable<LockView> {
      for await (const { key, queue, now } of records.list(prefix, io)) {
        const lock = view(key, queue, now)
        if (lock !== null) yield lock
      }
    },
    ...(records.listen === undefined ? {} : { listen: records.listen }),
    close: () => records.close(),
  }
}

/** What a step comes to for whoever keeps the record. */
function outcomeOf<Answer>(before: Queue | null, step: Step<Answer>, now: Now): Outcome<Answer> {
  const { queue, answer, holds, revoked } = step
  const news = { holds, revoked }
  if (forgettable(queue, now)) return { queue: null, changed: before !== null, answer, news }
  return { queue, changed: queue !== before, answer, news }
}
