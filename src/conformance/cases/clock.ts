/**
 * A step takes the key's lock first and reads the clock then. With a clock from before its lock it takes an expired
 * ticket for alive, and would cut the life of one that was prolonged while it waited.
 *
 * The lock of the record is kept until a ticket has run out, and what is asked meanwhile is carried out after that.
 */
import assert from 'node:assert/strict'
import type { Store } from '../../store/contract.ts'
import { clock, holds, IO, isGone, KEY, lost, visitor, wait } from '../scene.ts'
import type { Scene, Visitor } from '../scene.ts'
import type { Register } from '../suite.ts'

/** Longer than it takes to send a few calls on a busy machine. */
const LIFE_MS = 800

export function clockCases(test: Register): void {
  test('a step that waits for the lock until a ticket has run out takes its place', ['hold'], async scene => {
    const { store, late } = await holderAndLate(scene)
    const entry = await late(() => visitor(scene, store, 'B', { queue: false }).enter())
    if (entry !== null) holds(entry)
  })

  test('a renewal that waits for the lock until its ticket has run out is lost', ['hold'], async scene => {
    const { holder, late } = await holderAndLate(scene)
    const renewal = await late(() => holder.renew(scene.times.longMs))
    if (renewal !== null) assert.equal(lost(renewal).reason, 'gone')
  })

  test('a heartbeat that waits for the lock until its ticket has run out finds it gone', ['hold'], async scene => {
    const { holder, token, late } = await holderAndLate(scene)
    const entry = await late(() => holder.enter({ token }))
    if (entry !== null) isGone(entry)
  })

  test('a leave that waits for the lock until its ticket has run out leaves nothing', ['hold'], async scene => {
    const { store, holder, late } = await holderAndLate(scene)
    const was = await late(() => holder.leave())
    if (was !== null) assert.equal(was, 'absent')
    assert.equal(await store.inspect(KEY, IO), null)
  })
}

interface Late {
  readonly store: Store
  readonly holder: Visitor
  readonly token: number
  /**
   * What is answered to a call that is sent while the ticket lives, and carried out when it no longer does. null: the
   * machine was too slow to send it in time.
   */
  late<Answer>(call: () => Promise<Answer>): Promise<Answer | null>
}

async function holderAndLate(scene: Scene): Promise<Late> {
  const store = await scene.store()
  const lifeMs = Math.max(LIFE_MS, scene.times.shortMs)
  const holder = visitor(scene, store, 'A', { ttlMs: lifeMs })
  const sentAt = clock.now()
  const { token } = holds(await holder.enter())
  return {
    store,
    holder,
    token,
    async late(call) {
      const kept = scene.hooks.hold?.(scene.storage, KEY, 2 * lifeMs)
      await Promise.race([kept, wait(lifeMs / 2)])
      const inTime = clock.now() - sentAt < lifeMs
      const answer = await call()
      await kept
      return inTime ? answer : null
    },
  }
}
