/** Requests and replies that are lost, late or repeated, as the store itself must bear them. */
import assert from 'node:assert/strict'
import { StoreUnavailableError } from '../../base/errors.ts'
import { faultyStore } from '../faulty.ts'
import type { Fault, Verb } from '../faulty.ts'
import { forbidden, held, holds, IO, isGone, KEY, lost, refused, until, visitor, waits } from '../scene.ts'
import type { Scene } from '../scene.ts'
import type { Register } from '../suite.ts'
import type { Store } from '../../store/contract.ts'

/**
 * The first call of `verb` meets the fault, and fails for its caller after `patienceMs`. The store itself has all the
 * time it wants.
 */
function once(store: Store, verb: Verb, fault: Fault, patienceMs = 20): Store {
  const calm: Store = {
    ...store,
    enter: request => store.enter(request, IO),
    renew: renewals => store.renew(renewals, IO),
    leave: request => store.leave(request, IO),
  }
  const faulty = faultyStore(calm, (called, count) => (called === verb && count === 0 ? fault : null))
  return {
    ...faulty,
    enter: (request, io) => faulty.enter(request, { ...io, timeoutMs: patienceMs }),
    renew: (renewals, io) => faulty.renew(renewals, { ...io, timeoutMs: patienceMs }),
    leave: (request, io) => faulty.leave(request, { ...io, timeoutMs: patienceMs }),
  }
}

const names = (views: readonly { readonly holder: string }[] | undefined): readonly string[] =>
  (views ?? []).map(view => view.holder)

export function faultCases(test: Register): void {
  test('who did not get the reply to its enter asks again, and has one ticket', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, once(store, 'enter', { kind: 'lose-reply' }), 'A')
    await assert.rejects(a.enter(), StoreUnavailableError)
    const { token } = await shown(scene, store, 'A')
    assert.equal(holds(await visitor(scene, store, 'A', { id: a.id }).enter()).token, token)
    assert.deepEqual(names((await store.inspect(KEY, IO))?.holders), ['A'])
    assert.equal(await visitor(scene, store, 'A', { id: a.id }).leave(), 'held')
    assert.equal(await store.inspect(KEY, IO), null)
  })

  test('a waiter that did not get its reply asks again, and has one place', ['queue'], async scene => {
    const store = await scene.store()
    holds(await visitor(scene, store, 'A').enter())
    const b = visitor(scene, once(store, 'enter', { kind: 'lose-reply' }), 'B')
    await assert.rejects(b.enter(), StoreUnavailableError)
    const { token } = await shown(scene, store, 'B')
    assert.equal(waits(await visitor(scene, store, 'C').enter()).ahead, 2)
    const again = waits(await visitor(scene, store, 'B', { id: b.id }).enter())
    assert.deepEqual([again.token, again.ahead], [token, 1])
  })

  test('a request that was lost has done nothing', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, once(store, 'enter', { kind: 'lose-request' }), 'A')
    await assert.rejects(a.enter(), StoreUnavailableError)
    assert.equal(await store.inspect(KEY, IO), null)
    holds(await visitor(scene, store, 'A', { id: a.id }).enter())
  })

  test('every request may be carried out twice', [], async scene => {
    const store = await scene.store()
    const twice = faultyStore(store, () => ({ kind: 'repeat' }))
    const a = visitor(scene, twice, 'A')
    const { token } = holds(await a.enter())
    assert.equal(holds(await a.enter({ token })).token, token)
    held(await a.renew())
    assert.deepEqual(names((await store.inspect(KEY, IO))?.holders), ['A'])
    refused(await visitor(scene, twice, 'B', { queue: false }).enter())
    assert.equal(await a.leave({ forbidMs: scene.times.longMs }), 'absent')
    assert.equal(await store.inspect(KEY, IO), null)
    forbidden(await a.enter())
    holds(await visitor(scene, store, 'C', { queue: false }).enter())
  })

  test('a repeated release frees only what was released', ['queue'], async scene => {
    const store = await scene.store()
    const twice = faultyStore(store, verb => (verb === 'leave' ? { kind: 'repeat' } : null))
    const [a, b, c] = [visitor(scene, twice, 'A'), visitor(scene, store, 'B'), visitor(scene, store, 'C')]
    holds(await a.enter())
    waits(await b.enter())
    waits(await c.enter())
    await a.leave()
    holds(await b.enter())
    waits(await c.enter())
  })

  test('who did not get the reply to its release asks again, and harms nobody', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, once(store, 'leave', { kind: 'lose-reply' }), 'A')
    holds(await a.enter())
    await assert.rejects(a.leave(), StoreUnavailableError)
    await until(scene, 'the release was carried out', async () => (await store.inspect(KEY, IO)) === null)
    const b = visitor(scene, store, 'B', { queue: false })
    holds(await b.enter())
    assert.equal(await a.leave(), 'absent')
    held(await b.renew())
  })

  test('a request that comes after its caller gave up takes the lock for nobody', [], async scene => {
    const store = await scene.store()
    const { shortMs, longMs } = scene.times
    const request = underWay(shortMs)
    const a = visitor(scene, once(store, 'enter', request.fault), 'A')
    await assert.rejects(a.enter(), StoreUnavailableError)
    assert.equal(await a.leave({ forbidMs: longMs }), 'absent')
    await request.arrives(scene, async () => assert.equal(await store.inspect(KEY, IO), null))
    holds(await visitor(scene, store, 'B', { queue: false }).enter())
  })

  test('a heartbeat that comes after the release, and after a takeover, changes nothing', ['queue'], async scene => {
    const store = await scene.store()
    const { shortMs, longMs } = scene.times
    const a = visitor(scene, store, 'A')
    const request = underWay(shortMs)
    const late = visitor(scene, once(store, 'enter', request.fault), 'A', { id: a.id })
    const { token } = holds(await a.enter())
    await assert.rejects(late.enter({ token }), StoreUnavailableError)
    await a.leave({ forbidMs: longMs })
    const [b, c] = [visitor(scene, store, 'B'), visitor(scene, store, 'C')]
    holds(await b.enter())
    waits(await c.enter())
    await request.arrives(scene, async () => {
      const lock = await store.inspect(KEY, IO)
      assert.deepEqual([names(lock?.holders), names(lock?.waiters)], [['B'], ['C']])
    })
    await b.leave()
    holds(await c.enter())
  })

  test('a renewal that comes after the release brings nothing back', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const late = visitor(
      scene,
      once(store, 'renew', { kind: 'delay-request', delayMs: scene.times.shortMs }, 4 * scene.times.shortMs + 1_000),
      'A',
      {
        id: a.id,
      },
    )
    const { token } = holds(await a.enter())
    const renewal = late.renew()
    await a.leave()
    lost(await renewal)
    isGone(await a.enter({ token }))
    assert.equal(await store.inspect(KEY, IO), null)
  })
}

/** A request that arrives so late; until it has, and once more then, it is checked what it must not change. */
function underWay(delayMs: number) {
  let arrived = false
  const carriedOut = (): void => void (arrived = true)
  return {
    fault: { kind: 'delay-request', delayMs, carriedOut } as const,
    async arrives(scene: Scene, check: () => Promise<void>): Promise<void> {
      await until(scene, 'the late request has been carried out', async () => {
        await check()
        return arrived
      })
      await check()
    },
  }
}

function shown(scene: Scene, store: Store, holder: string): Promise<{ readonly token: number }> {
  return until(scene, `${holder} is in the queue`, async () => {
    const lock = await store.inspect(KEY, IO)
    return [...(lock?.holders ?? []), ...(lock?.waiters ?? [])].find(ticket => ticket.holder === holder)
  })
}
