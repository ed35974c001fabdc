/** holdfast/sql on PostgreSQL, through pg and postgres.js. */
import pg from 'pg'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { ConfigurationError } from '../../src/index.ts'
import { fence, fromPg, fromPostgresJs } from '../../src/sql/index.ts'
import { describeWithStore } from '../support/stores.ts'
import { onPg, onPostgresJs } from './databases.ts'
import { blocksUnder } from './examples.ts'
import { describeFence } from './fencing.ts'
import { describeRows } from './rows.ts'

const LEASE = { key: 'account:7', token: 5 }

describeWithStore('postgres', 'on PostgreSQL', url => {
  describeFence('PostgreSQL, by pg', () => onPg(url))
  describeRows('PostgreSQL, by pg', () => onPg(url))
  describeFence('PostgreSQL, by postgres.js', () => onPostgresJs(url))
  describeRows('PostgreSQL, by postgres.js', () => onPostgresJs(url))

  describe('a transaction on pg', () => {
    async function connected(): Promise<pg.Client> {
      const client = new pg.Client(url)
      await client.connect()
      return client
    }

    test('is none for a pool, nor for a client outside of one', async () => {
      const pool = new pg.Pool({ connectionString: url })
      expect(() => fromPg(pool)).toThrow(ConfigurationError)
      const client = await pool.connect()
      expect(() => fromPg(client)).toThrow('pool.connect()')
      client.release()
      await pool.end()
    })

    test('is over after the COMMIT, and so is the handle', async () => {
      const client = await connected()
      await client.query('BEGIN')
      const tx = fromPg(client)
      await tx.rows('SELECT $1::text AS said', ['in time'])
      await client.query('COMMIT')
      await expect(tx.execute('SELECT 1', [])).rejects.toThrow(ConfigurationError)
      await client.end()
    })

    test('is proved by a savepoint where the client does not tell', async () => {
      const client = await connected()
      const silent = { query: (text: string, values?: unknown[]) => client.query(text, values) }
      await expect(fence(fromPg(silent), LEASE)).rejects.toThrow(ConfigurationError)
      await client.query('BEGIN')
      expect(await fromPg(silent).rows('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
      await client.end()
    })
  })

  test('a transaction on postgres.js is none for the sql of the pool', async () => {
    const sql = postgres(url, { max: 1 })
    // @ts-expect-error  its type has no savepoint, so that the compiler refuses it too
    expect(() => fromPostgresJs(sql)).toThrow(ConfigurationError)
    await sql.begin(tx => fromPostgresJs(tx).rows('SELECT 1', []))
    await sql.end()
  })

  test('a constraint refuses what docs/sql.md says, and nothing else', async () => {
    const database = await onPg(url)
    const session = await database.connect()
    const statements = blocksUnder('A constraint', 'sql').flatMap(block => block.trim().split(/(?<=;.*)\n/))
    const outcomes = await statements.reduce<Promise<readonly boolean[]>>(async (before, text) => {
      const done = await before
      const refused = await session.run(text).then(
        () => false,
        () => true,
      )
      return [...done, refused]
    }, Promise.resolve([]))
    expect(outcomes).toEqual(statements.map(text => text.endsWith('-- refused')))
    expect(outcomes.filter(Boolean)).toHaveLength(2)
    await database.end()
  })
})
