// Each client as its users set it up, on one connection: what its examples in docs/sql.md name (`globals`), a
// transaction for the suites, and what must be refused. `adapters` is holdfast/sql as the test has it.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export async function pg({ url, adapters }) {
  const { default: package_ } = await import('pg')
  const pool = new package_.Pool({ connectionString: url, max: 1 })
  return {
    globals: { pool },
    outside: () => adapters.fromPg(pool),
    async transaction(work) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await work(adapters.fromPg(client))
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

export async function postgresJs({ url, adapters }) {
  const { default: postgres } = await import('postgres')
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  return {
    globals: { sql },
    outside: () => adapters.fromPostgresJs(sql),
    transaction: work => sql.begin(tx => work(adapters.fromPostgresJs(tx))),
    close: () => sql.end(),
  }
}

export async function mysql2({ url, adapters }) {
  const { default: mysql } = await import('mysql2/promise')
  const pool = mysql.createPool({ uri: url, connectionLimit: 1 })
  return {
    globals: { pool },
    outside: () => adapters.fromMysql2(pool),
    async transaction(work) {
      const connection = await pool.getConnection()
      try {
        await connection.beginTransaction()
        await work(adapters.fromMysql2(connection))
        await connection.commit()
      } catch (error) {
        await connection.rollback()
        throw error
      } finally {
        connection.release()
      }
    },
    close: () => pool.end(),
  }
}

export async function betterSqlite3({ url, adapters }) {
  const { default: Database } = await import('better-sqlite3')
  const database = new Database(url)
  database.pragma('busy_timeout = 0')
  return {
    globals: { database },
    outside: () => adapters.fromBetterSqlite3(database),
    async transaction(work) {
      database.exec('BEGIN IMMEDIATE')
      try {
        await work(adapters.fromBetterSqlite3(database))
        database.exec('COMMIT')
      } catch (error) {
        database.exec('ROLLBACK')
        throw error
      }
    },
    close: () => database.close(),
  }
}

export async function kysely({ url, dialect, adapters }) {
  const { Kysely, MysqlDialect, PostgresDialect, SqliteDialect } = await import('kysely')
  const dialects = {
    postgres: () => new PostgresDialect({ pool: new (require('pg').Pool)({ connectionString: url, max: 1 }) }),
    mysql: () => new MysqlDialect({ pool: require('mysql2').createPool({ uri: url, connectionLimit: 1 }) }),
    sqlite: () => new SqliteDialect({ database: new (require('better-sqlite3'))(url, { timeout: 0 }) }),
  }
  const db = new Kysely({ dialect: dialects[dialect]() })
  return {
    globals: { db },
    outside: () => adapters.fromKysely(db),
    transaction: work => db.transaction().execute(trx => work(adapters.fromKysely(trx))),
    close: () => db.destroy(),
  }
}

export async function drizzle({ url, dialect, adapters }) {
  const { eq, sql } = await import('drizzle-orm')
  const { close, db, account } = await drizzleOn[dialect](url)
  return {
    globals: { db, sql, account, eq },
    outside: () => adapters.fromDrizzle(db, sql),
    transaction: work => db.transaction(tx => work(adapters.fromDrizzle(tx, sql))),
    close,
  }
}

const drizzleOn = {
  async postgres(url) {
    const { drizzle } = await import('drizzle-orm/node-postgres')
    const { integer, pgTable } = await import('drizzle-orm/pg-core')
    const pool = new (require('pg').Pool)({ connectionString: url, max: 1 })
    const account = pgTable('account', { id: integer(), balance: integer() })
    return { db: drizzle({ client: pool }), account, close: () => pool.end() }
  },
  async mysql(url) {
    const { drizzle } = await import('drizzle-orm/mysql2')
    const { int, mysqlTable } = await import('drizzle-orm/mysql-core')
    const pool = require('mysql2/promise').createPool({ uri: url, connectionLimit: 1 })
    const account = mysqlTable('account', { id: int(), balance: int() })
    return { db: drizzle({ client: pool }), account, close: () => pool.end() }
  },
}

export async function drizzlePostgresJs({ url, adapters }) {
  const { sql } = await import('drizzle-orm')
  const { drizzle } = await import('drizzle-orm/postgres-js')
  const { default: postgres } = await import('postgres')
  const client = postgres(url, { max: 1, onnotice: () => {} })
  const db = drizzle({ client })
  return {
    globals: {},
    outside: () => adapters.fromDrizzle(db, sql),
    transaction: work => db.transaction(tx => work(adapters.fromDrizzle(tx, sql))),
    close: () => client.end(),
  }
}

export async function knex({ url, dialect, adapters }) {
  const { default: create } = await import('knex')
  const client = { postgres: 'pg', mysql: 'mysql2', sqlite: 'better-sqlite3' }[dialect]
  const connection = dialect === 'sqlite' ? { filename: url, options: { timeout: 0 } } : url
  const instance = create({ client, connection, pool: { min: 1, max: 1 }, useNullAsDefault: true })
  return {
    globals: { knex: instance },
    outside: () => adapters.fromKnex(instance),
    transaction: work => instance.transaction(trx => work(adapters.fromKnex(trx))),
    close: () => instance.destroy(),
  }
}

export async function prisma({ url, adapters }) {
  const { PrismaClient } = require('@prisma/client')
  const { PrismaPg } = require('@prisma/adapter-pg')
  const [, schema] = /search_path%3D(\w+)/.exec(url) ?? []
  const client = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 1 }, { schema }) })
  return {
    globals: { prisma: client },
    outside: () => adapters.fromPrisma(client),
    transaction: work => client.$transaction(tx => work(adapters.fromPrisma(tx)), { timeout: 60_000, maxWait: 60_000 }),
    close: () => client.$disconnect(),
  }
}

export async function typeOrm({ url, dialect, adapters }) {
  const { DataSource, EntitySchema } = await import('typeorm')
  const account = new EntitySchema({
    name: 'account',
    columns: { id: { type: 'int', primary: true }, balance: { type: 'int' } },
  })
  const options = {
    postgres: { type: 'postgres', url, poolSize: 1 },
    mysql: { type: 'mysql', url, poolSize: 1 },
    sqlite: { type: 'better-sqlite3', database: url, timeout: 0 },
  }[dialect]
  const dataSource = await new DataSource({ ...options, entities: [account] }).initialize()
  return {
    globals: { dataSource },
    outside: () => adapters.fromTypeOrm(dataSource.manager),
    transaction: work => dataSource.transaction(manager => work(adapters.fromTypeOrm(manager))),
    close: () => dataSource.destroy(),
  }
}

export async function mikroOrm({ url, adapters }) {
  const { EntitySchema, MikroORM } = await import('@mikro-orm/postgresql')
  const account = new EntitySchema({
    name: 'account',
    tableName: 'account',
    properties: { id: { type: 'number', primary: true }, balance: { type: 'number' } },
  })
  const [, name = 'public'] = /search_path%3D(\w+)/.exec(url) ?? []
  const orm = await MikroORM.init({
    entities: [account],
    clientUrl: url.replace(/\?.*/, ''),
    driverOptions: { connection: { options: `-c search_path=${name}` } },
    pool: { min: 1, max: 1 },
  })
  return {
    globals: { orm },
    outside: () => adapters.fromMikroOrm(orm.em.fork()),
    transaction: work => orm.em.fork().transactional(em => work(adapters.fromMikroOrm(em))),
    close: () => orm.close(),
  }
}

export async function drizzleTables(given) {
  const { bigint, pgTable, text, timestamp } = await import('drizzle-orm/pg-core')
  const setup = await drizzle(given)
  return { ...setup, globals: { ...setup.globals, bigint, pgTable, text, timestamp } }
}
