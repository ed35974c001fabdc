/** What tests of PostgreSQL need: tables of ours, an operator's own statements, and every way to reach a server. */
import { randomUUID } from 'node:crypto'
import { Client, Pool } from 'pg'
import postgresJs from 'postgres'
import { migrationAt } from '../../src/drivers/postgres/migration.ts'
import { postgresStore } from '../../src/drivers/postgres.ts'
import type { PostgresLike, PostgresStoreOptions } from '../../src/drivers/postgres.ts'
import type { Store } from '../../src/store/contract.ts'

export async function migrate(url: string): Promise<void> {
  await migrationAt(url).apply({ timeoutMs: 60_000 })
}

/** One statement after another, as whoever the address names; the first column of the last one's rows. */
export async function ask(url: string, ...statements: readonly string[]): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    let values: readonly unknown[] = []
    for (const text of statements) {
      const answer: unknown = await client.query({ text, rowMode: 'array' })
      values = rowsOf(answer).map(row => (Array.isArray(row) ? row[0] : undefined))
    }
    return values
  } finally {
    await client.end().catch(() => {})
  }
}

/** Several statements in one text give several answers, which nobody asks for. */
function rowsOf(answer: unknown): readonly unknown[] {
  return typeof answer === 'object' && answer !== null && 'rows' in answer && Array.isArray(answer.rows)
    ? answer.rows
    : []
}

/** Keeps the row of a lock of this namespace for so long. Resolves when that is over. */
export async function hold(url: string, namespace: string, { key, ms }: { key: string; ms: number }): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('BEGIN')
    const row = 'SELECT FROM holdfast_queues WHERE namespace = $1 AND key = $2 FOR UPDATE'
    await client.query(row, [Buffer.from(namespace), Buffer.from(key)])
    await client.query('SELECT pg_sleep($1)', [ms / 1_000])
    await client.query('COMMIT')
  } finally {
    await client.end()
  }
}

/**
 * Connected, and with its functions compiled: what is measured is the lock, and not how long it takes to reach a
 * server.
 */
export async function warm(store: Store): Promise<Store> {
  const io = { timeoutMs: 30_000 }
  await store.connect?.(io)
  const ear = await store.listen?.({ holds() {}, revoked() {}, gap() {} })
  await ear?.[Symbol.asyncDispose]()
  const ask = { key: 'warm', holder: 'warm', mode: 'exclusive', limit: null, queue: true, tokens: 1, meta: {} } as const
  const ids = [randomUUID(), randomUUID()]
  for (const id of [...ids, ...ids]) await store.enter({ ...ask, id, ttlMs: 60_000, waiterTtlMs: 60_000 }, io)
  await store.renew(
    ids.map(id => ({ key: 'warm', id, ttlMs: 60_000 })),
    io,
  )
  for (const id of ids) await store.leave({ key: 'warm', id, keepMs: 0, forbidMs: 0 }, io)
  return store
}

export function byAddress(url: string, options: PostgresStoreOptions): Promise<Store> {
  return warm(postgresStore(url, options))
}

/** A client of the user's: holdfast does not close it, so the store's close does it here. */
export async function byClient(
  { client, end }: { readonly client: PostgresLike; end(): Promise<void> },
  options: PostgresStoreOptions,
): Promise<Store> {
  const inner = await warm(postgresStore(client, options))
  let ended = false
  return {
    ...inner,
    async close() {
      await inner.close()
      if (!ended) await end()
      ended = true
    },
  }
}

/** By name, how one makes a client of one's own. */
export const CLIENTS: Readonly<
  Record<string, (url: string) => { readonly client: PostgresLike; end(): Promise<void> }>
> = {
  'a Pool of pg': url => {
    const client = new Pool({ connectionString: url, max: 2 })
    client.on('error', () => {})
    return { client, end: () => client.end() }
  },
  'a Client of pg': url => ({ client: new Client({ connectionString: url }), end: async () => {} }),
  'the sql of postgres': url => {
    const client = postgresJs(url, { max: 2, onnotice: () => {} })
    return { client, end: () => client.end() }
  },
}
