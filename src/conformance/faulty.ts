/**
 * A store behind a bad network: requests and replies are lost, late, or carried out twice, as the plan says. Around a
 * real store it makes the faults that a case needs and a healthy server does not show.
 *
 * A caller always learns at its own deadline that it has learned nothing, as with a driver that keeps the contract.
 * Only `hang` breaks that too: several clients never answer when their server stops, whatever deadline they were given.
 */
import { createBackground } from '../core/background.ts'
import { sleep, systemClock } from '../base/clock.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import type { Io, Store, StoreListener } from '../store/contract.ts'

export type Verb = 'enter' | 'renew' | 'leave' | 'inspect' | 'list' | 'revoke' | 'listen' | 'push'

export type Fault =
  /** Never carried out. */
  | { readonly kind: 'lose-request' }
  /** Carried out; the caller does not learn it. */
  | { readonly kind: 'lose-reply' }
  /** Carried out so much later, whether or not the caller still waits. `carriedOut`: it has been, well or badly. */
  | { readonly kind: 'delay-request'; readonly delayMs: number; readonly carriedOut?: () => void }
  /** Carried out at once; the answer comes so much later. */
  | { readonly kind: 'delay-reply'; readonly delayMs: number }
  /** Carried out twice in a row, as by a client that sends again after a reconnect; the second answer counts. */
  | { readonly kind: 'repeat' }
  /** Neither carried out nor answered, ever. */
  | { readonly kind: 'hang' }

/**
 * What happens to the next call of this verb; `count` is how many of that verb came before it. null: nothing. For
 * pushes every delay is one of the request.
 */
export type Plan = (verb: Verb, count: number) => Fault | null

/** The store as it is, except for what the plan does to it. */
export function faultyStore(store: Store, plan: Plan): Store {
  const background = createBackground()
  const counts = new Map<Verb, number>()

  function next(verb: Verb): Fault | null {
    const count = counts.get(verb) ?? 0
    counts.set(verb, count + 1)
    return plan(verb, count)
  }

  function call<T>(verb: Verb, io: Io, work: () => Promise<T>): Promise<T> {
    const fault = next(verb)
    if (fault === null) return work()
    if (fault.kind === 'hang') return new Promise(() => {})
    if (fault.kind === 'lose-request') return unanswered(verb, io)
    if (fault.kind === 'lose-reply') {
      background.run(work())
      return unanswered(verb, io)
    }
    const late = faulted(fault, work)
    background.run(late)
    return Promise.race([late, unanswered(verb, io)])
  }

  function push(listener: StoreListener, tell: (listener: StoreListener) => void): void {
    const fault = next('push')
    if (fault === null) return tell(listener)
    if (fault.kind === 'lose-request' || fault.kind === 'lose-reply' || fault.kind === 'hang') return
    if (fault.kind === 'repeat') tell(listener)
    const delayMs = fault.kind === 'repeat' ? 0 : fault.delayMs
    background.run(sleep(systemClock, delayMs, { idle: true }).then(() => tell(listener)))
  }

  async function listen(listener: StoreListener): Promise<AsyncDisposable> {
    const listening = await store.listen?.({
      holds: (key, tokens) => push(listener, each => each.holds(key, tokens)),
      revoked: (key, token, reason) => push(listener, each => each.revoked(key, token, reason)),
      gap: () => push(listener, each => each.gap()),
    })
    return { [Symbol.asyncDispose]: async () => listening?.[Symbol.asyncDispose]() }
  }

  return {
    traits: store.traits,
    enter: (request, io) => call('enter', io, () => store.enter(request, io)),
    renew: (renewals, io) => call('renew', io, () => store.renew(renewals, io)),
    leave: (request, io) => call('leave', io, () => store.leave(request, io)),
    inspect: (key, io) => call('inspect', io, () => store.inspect(key, io)),
    revoke: (key, request, io) => call('revoke', io, () => store.revoke(key, request, io)),
    async *list(prefix, io) {
      await call('list', io, () => Promise.resolve())
      yield* store.list(prefix, io)
    },
    ...(store.listen === undefined
      ? {}
      : { listen: (listener: StoreListener) => call('listen', { timeoutMs: 5_000 }, () => listen(listener)) }),
    close: () => store.close(),
  }
}

async function faulted<T>(
  fault: Extract<Fault, { delayMs: number } | { kind: 'repeat' }>,
  work: () => Promise<T>,
): Promise<T> {
  if (fault.kind === 'delay-request') await sleep(systemClock, fault.delayMs, { idle: true })
  const answer = await work().finally(() => {
    if (fault.kind === 'delay-request') fault.carriedOut?.()
  })
  if (fault.kind === 'delay-reply') await sleep(systemClock, fault.delayMs, { idle: true })
  return fault.kind === 'repeat' ? work() : answer
}

async function unanswered(verb: Verb, io: Io): Promise<never> {
  await sleep(systemClock, io.timeoutMs, { idle: true, signal: io.signal })
  throw new StoreUnavailableError(`The store did not answer to ${verb} within ${io.timeoutMs} ms.`, { ambiguous: true })
}
