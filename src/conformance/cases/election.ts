/** Elections: one leads at a time, whoever stands next follows, and who was overtaken is refused by its token. */
import assert from 'node:assert/strict'
import type { Leader, Lease } from '../../locks/types.ts'
import { assertGrow, KEY, until } from '../scene.ts'
import type { Register } from '../suite.ts'

export function electionCases(test: Register): void {
  test('a leader that is cut off is replaced, and knows by then that it leads no more', ['queue'], async scene => {
    const { steadyMs, callMs, patienceMs } = scene.times
    const ttl = 2 * steadyMs
    let cut = false
    const first = await scene.locks({ storeTimeout: callMs, faults: () => (cut ? { kind: 'hang' } : null) })
    const second = await scene.locks()
    const leader = await first.election(KEY, { value: 'first', ttl }).campaign()
    const succession = second.election(KEY, { value: 'second', ttl })
    const next = succession.campaign({ wait: patienceMs + 2 * ttl })
    await until(scene, 'the second stands in line', async () => (await second.inspect(KEY))?.waiters.length === 1)
    assert.equal((await succession.leader())?.value, 'first')
    cut = true
    const successor = await next
    // Read from the clock, not from an alarm that may be late.
    assert.equal(leader.remaining(), 0, 'there are two leaders')
    assert.throws(() => leader.assertHeld())
    const holder = 'process 2'
    assert.deepEqual(await succession.leader(), { holder, token: successor.token, value: 'second' })
    cut = false
    await successor.release()
  })

  test('what a leader does after it was overtaken is refused by its token', ['queue', 'fencing'], async scene => {
    const { steadyMs, callMs, patienceMs } = scene.times
    const ttl = 2 * steadyMs
    let cut = false
    let newest = 0
    // As a fenced resource does.
    const act = ({ token }: Lease): boolean => {
      if (token < newest) return false
      newest = token
      return true
    }
    const first = await scene.locks({ storeTimeout: callMs, faults: () => (cut ? { kind: 'hang' } : null) })
    const leader = await first.election(KEY, { ttl }).campaign()
    assert.ok(act(leader))
    const second = await scene.locks()
    cut = true
    const successor = await second.election(KEY, { ttl }).campaign({ wait: patienceMs + 2 * ttl })
    assert.ok(act(successor))
    assert.equal(act(leader), false, 'two leaders have acted')
    assert.ok(act(successor))
    cut = false
    await successor.release()
  })

  test(
    'a leader that resigns is followed by who stands next, and whoever looks on sees both',
    ['queue'],
    async scene => {
      const [here, there] = [await scene.locks(), await scene.locks()]
      const seen: (Leader | null)[] = []
      const looking = new AbortController()
      const observing = observe(await scene.locks(), seen, looking.signal)
      const leader = await here.election(KEY, { value: 'here' }).campaign()
      await until(scene, 'the first is seen', async () => seen.at(-1)?.value === 'here')
      const next = there.election(KEY, { value: 'there' }).campaign({ wait: scene.times.patienceMs })
      await until(scene, 'the other stands in line', async () => (await here.inspect(KEY))?.waiters.length === 1)
      await leader.release()
      const successor = await next
      successor.assertHeld()
      await until(scene, 'the second is seen', async () => seen.at(-1)?.value === 'there')
      looking.abort()
      await observing
      await successor.release()
    },
  )

  test(
    'of three who lead again and again one does at a time, through every revocation',
    ['queue', 'revoke'],
    async scene => {
      const TERMS = 6
      const done = new AbortController()
      const inside = new Set<Lease>()
      const tokens: number[] = []
      const processes = [await scene.locks(), await scene.locks(), await scene.locks()]
      const ttl = 4 * scene.times.steadyMs
      const serve = async (lease: Lease): Promise<void> => {
        assert.ok(
          [...inside].every(other => other.remaining() === 0),
          'there are two leaders',
        )
        inside.add(lease)
        tokens.push(lease.token)
        if (tokens.length >= TERMS) done.abort()
        else await over(lease.signal)
        inside.delete(lease)
      }
      const leading = Promise.all(
        processes.map(locks => locks.election(KEY, { ttl }).lead(serve, { signal: done.signal })),
      )
      // Looked at below; a failure of one must not be told as one that nobody looks at.
      leading.catch(() => done.abort())
      const operator = await scene.locks()
      for (let term = 1; term < TERMS; term += 1) {
        await until(scene, `term ${term} has begun`, async () => tokens.length >= term)
        await operator.revoke(KEY, { tickets: 'holders', reason: 'an election' })
        await until(scene, `term ${term} is over`, async () => tokens.length > term)
      }
      await leading
      if (operator.traits.fencing) assertGrow(tokens)
      await until(scene, 'nobody leads', async () => (await operator.inspect(KEY)) === null)
    },
  )
}

function over(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve())
  })
}

async function observe(
  locks: { election(key: string): { observe(how: { signal: AbortSignal }): AsyncIterable<Leader | null> } },
  seen: (Leader | null)[],
  signal: AbortSignal,
): Promise<void> {
  for await (const leader of locks.election(KEY).observe({ signal })) seen.push(leader)
}
