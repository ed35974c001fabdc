/** The connection for commands that drivers share: when a link is thrown away, and when not. */
import { expect, test, vi } from 'vitest'
import { StoreUnavailableError } from '../../src/base/errors.ts'
import { createConnection, madeAnew } from '../../src/drivers/shared/connection.ts'
import type { Connection } from '../../src/drivers/shared/connection.ts'

function connected(): { readonly connection: Connection<object>; readonly ended: () => number } {
  let ended = 0
  const end = (): void => void (ended += 1)
  const supply = madeAnew<object>({ where: 'a store', open: async () => ({}), ready: () => true, end })
  const failure = (cause: unknown): StoreUnavailableError => new StoreUnavailableError('it failed', { cause })
  return { connection: createConnection(supply, { failure }), ended: () => ended }
}

/** The whole process stands still, as on a machine that has no time for it. */
function standStill(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('a process that stood still does not take its own silence for that of the store', async () => {
  const { connection, ended } = connected()
  await connection.use(async () => 1, { timeoutMs: 1_000 })
  const answered = connection.use(() => new Promise(resolve => setTimeout(resolve, 100)), { timeoutMs: 50 })
  standStill(1_200)
  await expect(answered).rejects.toThrow('did not answer')
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(ended()).toBe(0)
  connection.close()
})

test('a store that is silent for longer than a second is connected to anew', async () => {
  const { connection, ended } = connected()
  await connection.use(async () => 1, { timeoutMs: 1_000 })
  await expect(connection.use(() => new Promise(() => {}), { timeoutMs: 1_100 })).rejects.toThrow('did not answer')
  await vi.waitFor(() => expect(ended()).toBe(1))
  connection.close()
})
