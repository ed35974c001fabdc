/**
 * Everything that holdfast does with a lock, one thing after the other: does it work on this server, for this user,
 * over this network?
 */
import type { Lease, Locks } from '../locks/types.ts'
import { open } from '../open.ts'
import type { Check } from './checks.ts'

/** Two processes' worth of locks. */
export interface Two {
  readonly first: Locks
  readonly second: Locks
}

export async function withTwo<Answer>(
  address: string,
  namespace: string,
  use: (two: Two) => Promise<Answer>,
): Promise<Answer> {
  const first = await open(address, { namespace, holder: 'first' })
  const second = await open(address, { namespace, holder: 'second' })
  try {
    return await use({ first, second })
  } finally {
    await first.close({ drain: 0 })
    await second.close({ drain: 0 })
  }
}

/** The checks are of group `group`, tried by `who`. */
export async function exercise(
  { first, second }: Two,
  { key, ...whose }: Pick<Check, 'group' | 'who'> & { readonly key: string },
): Promise<readonly Check[]> {
  const checks: Check[] = []
  const check = async (tries: string, expected: string, attempt: () => Promise<string>): Promise<void> => {
    const found = await attempt().catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    checks.push({ ...whose, tries, expected, found })
  }
  let lease: Lease | null = null
  await check('acquire a free lock', 'held', async () => {
    lease = await first.acquire(key)
    return lease.state
  })
  await check('renew it', 'held', async () => {
    await lease?.renew()
    return lease?.state ?? 'nothing to renew'
  })
  await check('try it as another process', 'refused', async () =>
    (await second.tryAcquire(key)) === null ? 'refused' : 'held',
  )
  await check('wait for it, woken by a message', 'push', () =>
    handover(second, key, async () => void (await lease?.release())),
  )
  await check('inspect, with who holds', 'first', async () => {
    lease = await first.acquire(key)
    return (await second.inspect(key))?.holders.map(({ holder }) => holder).join() ?? 'free'
  })
  await check('list', key, async () => {
    const keys: string[] = []
    for await (const lock of second.list(key)) keys.push(lock.key)
    return keys.join()
  })
  await check('revoke, and its holder is told', 'revoked', async () => {
    const told = new Promise<string>(resolve => first.on('lost', ({ reason }) => resolve(reason)))
    await second.revoke(key, { reason: 'the laboratory', tickets: 'holders' })
    return told
  })
  await check('release', 'released', async () => {
    await lease?.release()
    return (await second.acquire(key)).release()
  })
  return checks
}

/** How the lease came to whoever waited. */
async function handover(locks: Locks, key: string, release: () => Promise<void>): Promise<string> {
  const waiting = new Promise<void>(resolve => locks.on('waiting', () => resolve()))
  const how = new Promise<string>(resolve => locks.on('acquired', event => resolve(event.handover)))
  const lease = locks.acquire(key)
  // Should it fail, it is not for lack of a release.
  await Promise.race([waiting, lease])
  await release()
  await (await lease).release()
  return how
}
