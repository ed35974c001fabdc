/** What many calls of one process cost, where each step is a round trip. */
import { describe, expect, test } from 'vitest'
import { createConnection } from '../../src/drivers/shared/connection.ts'
import { inTurn } from '../../src/drivers/shared/in-turn.ts'
import { together } from '../../src/drivers/shared/together.ts'
import { StoreUnavailableError } from '../../src/base/errors.ts'
import { EMPTY } from '../../src/store/queue.ts'
import type { Change, Records } from '../../src/store/record-store.ts'

const IO = { timeoutMs: 5_000 }

/** Steps that are under way until they are let go on. */
function slowRecords(): { readonly records: Records; readonly steps: string[]; go(): void } {
  const steps: string[] = []
  let waiting: (() => void)[] = []
  const gate = (): Promise<void> => new Promise(resolve => waiting.push(resolve))
  const records: Records = {
    async atomic<Answer>(key: string, change: Change<Answer>): Promise<Answer> {
      steps.push(key)
      await gate()
      return change(EMPTY, { ms: 0, micros: 0 }).answer
    },
    enterFree: async ({ key }) => {
      steps.push(`free ${key}`)
      await gate()
      return null
    },
    read: async () => null,
    async *list() {},
    close: async () => {},
  }
  return {
    records,
    steps,
    go() {
      for (const proceed of waiting) proceed()
      waiting = []
    },
  }
}

function answering<Answer>(answer: Answer): Change<Answer> {
  return before => ({ queue: before, changed: false, answer, news: { holds: [], revoked: [] } })
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('calls for one record', () => {
  test('that come while a step is under way go together in the next, in their order', async () => {
    const { records, steps, go } = slowRecords()
    const { atomic } = together('test', records)
    const order: number[] = []
    const calls = [1, 2, 3, 4].map(number =>
      atomic(
        'a',
        (before, now) => {
          order.push(number)
          return answering(number)(before, now)
        },
        IO,
      ),
    )
    await turn()
    expect(steps).toEqual(['a'])
    go()
    await calls[0]
    await turn()
    expect(steps).toEqual(['a', 'a'])
    go()
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4])
    expect(order).toEqual([1, 2, 3, 4])
  })

  test('fail alone: what one of them throws is told to no other', async () => {
    const { records, go } = slowRecords()
    const { atomic } = together('test', records)
    const first = atomic('a', answering(0), IO)
    const broken = atomic(
      'a',
      () => {
        throw new RangeError('mine')
      },
      IO,
    ).catch((error: unknown) => error)
    const sound = atomic('a', answering('sound'), IO)
    go()
    await first
    await turn()
    go()
    expect(await broken).toBeInstanceOf(RangeError)
    expect(await sound).toBe('sound')
  })

  test('whose time is over before their step has begun were not made', async () => {
    const { records, steps, go } = slowRecords()
    const { atomic } = together('test', records)
    const first = atomic('a', answering(0), IO)
    let made = false
    const late = atomic(
      'a',
      (before, now) => {
        made = true
        return answering(1)(before, now)
      },
      { timeoutMs: 20 },
    )
    await expect(late).rejects.toMatchObject({ ambiguous: false })
    go()
    await first
    await turn()
    expect({ made, steps }).toEqual({ made: false, steps: ['a'] })
  })

  test('do not try the one statement for a free lock while others of the process are at it', async () => {
    const { records, steps, go } = slowRecords()
    const { atomic, enterFree } = together('test', records)
    const request = { key: 'a', id: '1', holder: '', mode: 'exclusive', limit: null } as const
    const rest = { ttlMs: 1_000, waiterTtlMs: 1_000, queue: true, tokens: 1, meta: {} }
    const busy = atomic('a', answering(0), IO)
    expect(await enterFree?.({ ...request, ...rest }, IO)).toBeNull()
    go()
    await busy
    await turn()
    const alone = enterFree?.({ ...request, ...rest }, IO)
    expect(await enterFree?.({ ...request, ...rest }, IO)).toBeNull()
    go()
    await alone
    expect(steps).toEqual(['a', 'free a'])
  })
})

describe('one statement at a time', () => {
  const connectionOver = (sent: string[]) =>
    inTurn(
      createConnection<string>(
        { where: 'test', link: () => 'link', drop() {}, close() {} },
        {
          failure: cause => (cause instanceof StoreUnavailableError ? cause : new StoreUnavailableError(String(cause))),
        },
      ),
    ).use.bind(null, async (link: string) => {
      sent.push(link)
      await new Promise(resolve => setTimeout(resolve, 60))
      return sent.length
    })

  test('the next is sent when the last is answered, in the order of asking', async () => {
    const sent: string[] = []
    const use = connectionOver(sent)
    const calls = [use(IO), use(IO), use(IO)]
    await turn()
    expect(sent).toHaveLength(1)
    expect(await Promise.all(calls)).toEqual([1, 2, 3])
  })

  test('what nobody waits for any more is never sent, and its caller knows', async () => {
    const sent: string[] = []
    const use = connectionOver(sent)
    const first = use(IO)
    await expect(use({ timeoutMs: 10 })).rejects.toMatchObject({ ambiguous: false })
    const third = use(IO)
    await Promise.all([first, third])
    expect(sent).toHaveLength(2)
  })
})
