/**
 * holdfast/sql through the real clients and ORMs, which are packages of their own folder: `scripts/clients` installs
 * them. Each passes what a fence owes and what is done with rows, in real transactions, refuses what is none, and runs
 * its example of docs/sql.md.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ConfigurationError, StaleTokenError } from '../../src/index.ts'
import * as adapters from '../../src/sql/index.ts'
import type { Dialect } from '../../src/sql/index.ts'
import { on } from '../sql/databases.ts'
import type { Client, Database } from '../sql/databases.ts'
import { describeFence } from '../sql/fencing.ts'
import { describeRows } from '../sql/rows.ts'
import { storeUrl, whyNotRunning } from '../support/stores.ts'
import { blocksUnder, run } from '../sql/examples.ts'

interface Setup extends Client {
  readonly globals: Readonly<Record<string, unknown>>
  outside(): unknown
}
type Make = (given: { readonly url: string; readonly dialect: Dialect; readonly adapters: object }) => Promise<Setup>
type OwnDatabase = Database & { readonly address: string }

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const setups: Readonly<Record<string, Make>> = await import(path('setups.mjs'))

interface Tested {
  /** In docs/sql.md; undefined: another way to set up one that is there. */
  readonly heading?: string
  readonly dialects: readonly Dialect[]
  /** False: test/sql has them already. On SQLite ORMs begin without its lock, so there is nobody to wait for. */
  readonly suites: boolean
}
const CLIENTS: Readonly<Record<string, Tested>> = {
  pg: { heading: 'pg', dialects: ['postgres'], suites: false },
  postgresJs: { heading: 'postgres.js', dialects: ['postgres'], suites: false },
  mysql2: { heading: 'mysql2', dialects: ['mysql'], suites: false },
  betterSqlite3: { heading: 'better-sqlite3', dialects: ['sqlite'], suites: false },
  kysely: { heading: 'Kysely', dialects: ['postgres', 'mysql', 'sqlite'], suites: true },
  drizzle: { heading: 'Drizzle', dialects: ['postgres', 'mysql'], suites: true },
  drizzlePostgresJs: { dialects: ['postgres'], suites: true },
  knex: { heading: 'Knex', dialects: ['postgres', 'mysql', 'sqlite'], suites: true },
  prisma: { heading: 'Prisma', dialects: ['postgres'], suites: true },
  typeOrm: { heading: 'TypeORM', dialects: ['postgres', 'mysql', 'sqlite'], suites: true },
  mikroOrm: { heading: 'MikroORM', dialects: ['postgres'], suites: true },
}

/** Why these cannot be tested on this machine; null: they can. */
function obstacle(dialect: Dialect): string | null {
  if (!existsSync(path('node_modules/.ready'))) return 'the clients are not installed: scripts/clients'
  if (dialect !== 'sqlite') return storeUrl(dialect) === undefined ? `${dialect}: ${whyNotRunning(dialect)}` : null
  return existsSync(path('node_modules/better-sqlite3/build/Release/better_sqlite3.node'))
    ? null
    : 'better-sqlite3 is not compiled: scripts/clients, with a compiler for C++'
}

function describeClient(name: string, make: Make, { heading, suites }: Tested, dialect: Dialect): void {
  const url = storeUrl(dialect) ?? ''
  const open = (address: string): Promise<Setup> => make({ url: address, dialect, adapters })
  const database = (): Promise<OwnDatabase> => on(dialect, url, open)
  if (suites && dialect !== 'sqlite') {
    describeFence(`${dialect}, by ${name}`, database)
    describeRows(`${dialect}, by ${name}`, database)
  }

  describe(`${name} on ${dialect}`, () => {
    test('is refused outside of a transaction', async () => {
      const { address, end } = await database()
      const client = await open(address)
      expect(() => client.outside()).toThrow(ConfigurationError)
      await client.close()
      await end()
    })

    if (heading === undefined) return
    test('runs its example, whose late write is refused', async () => {
      const [code = ''] = blocksUnder(heading, 'js')
      const { address, connect, end } = await database()
      const session = await connect()
      await session.run('CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)')
      await session.run('INSERT INTO account VALUES (7, 100)')
      const client = await open(address)
      const example = (token: number): Promise<unknown> => {
        const locks = { run: (key: string, task: (lease: object) => unknown) => task({ key, token }) }
        return run(code, { ...adapters, ...client.globals, locks })
      }
      await example(5)
      await expect(example(4)).rejects.toThrow(StaleTokenError)
      await example(5)
      expect(await session.run('SELECT balance FROM account')).toEqual([{ balance: 60 }])
      await client.close()
      await end()
    })
  })
}

for (const [name, tested] of Object.entries(CLIENTS)) {
  for (const dialect of tested.dialects) {
    const why = obstacle(dialect)
    const make = setups[name]
    if (make !== undefined && why === null) describeClient(name, make, tested, dialect)
    else test(`${name} on ${dialect}`, context => context.skip(why ?? 'it has no setup'))
  }
}

describe('the tables of holdfast, as docs/sql.md has them', () => {
  const why = obstacle('postgres')
  const url = storeUrl('postgres') ?? ''
  const check = (title: string, body: (client: Setup, database: OwnDatabase) => Promise<void>, name: string): void =>
    test(title, async context => {
      const make = setups[name]
      if (why !== null || make === undefined) return context.skip(why ?? 'it has no setup')
      const database = await on('postgres', url, address => make({ url: address, dialect: 'postgres', adapters }))
      const client = await make({ url: database.address, dialect: 'postgres', adapters })
      const session = await database.connect()
      await session.within(tx => adapters.fence(tx, { key: 'account:7', token: 5 }))
      await body(client, database)
      await client.close()
      await database.end()
    })
  const [migration = '', table = ''] = blocksUnder('Tables', 'js')

  check(
    'are made by the migration of Knex',
    async ({ globals }, { connect }) => {
      const session = await connect()
      await session.run('DROP TABLE holdfast_fences')
      const up = await run(migration, { ...adapters })
      expect(up).toBeTypeOf('function')
      if (typeof up === 'function') await up(globals['knex'])
      await session.within(tx => adapters.fence(tx, { key: 'account:7', token: 4 }))
    },
    'knex',
  )

  check(
    'are read by the table of Drizzle',
    async ({ globals }) => {
      const rows = await run(`${table}\nreturn db.select().from(fences)`, globals)
      expect(rows).toMatchObject([{ resource: 'account:7', token: 5, raisedAt: expect.any(Date) }])
    },
    'drizzleTables',
  )

  check(
    'are read by the model of Prisma',
    async ({ globals }) => {
      const [model = ''] = blocksUnder('Tables', 'prisma')
      expect(readFileSync(path('schema.prisma'), 'utf8')).toContain(model)
      const rows = await run('return prisma.holdfastFence.findMany()', globals)
      expect(rows).toMatchObject([{ resource: 'account:7', token: 5n }])
    },
    'prisma',
  )
})

test("the clients' own types fit the adapters", context => {
  if (!existsSync(path('node_modules/.ready'))) return context.skip('the clients are not installed: scripts/clients')
  const compiler = path('../../node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [compiler, '-p', path('tsconfig.json')], { stdio: 'pipe', encoding: 'utf8' })
})

test('node:sqlite of Node 22 runs its example', context => {
  const node = path('node_modules/node-22-linux/bin/node')
  if (!existsSync(node)) return context.skip('Node 22 is not installed: scripts/clients, on Linux')
  const [code = ''] = blocksUnder('node:sqlite', 'js')
  const said = execFileSync(node, ['--no-warnings', path('node-sqlite.mjs'), code], { encoding: 'utf8' })
  expect(said).toBe('80 StaleTokenError 80\n')
})
