/** What the clients' own types call a transaction is what the adapters take; compiled, never run. */
import type { SqlEntityManager } from '@mikro-orm/postgresql'
import type { PrismaClient } from '@prisma/client'
import type BetterSqlite3 from 'better-sqlite3'
import { sql as drizzleSql } from 'drizzle-orm'
import type { MySql2Database } from 'drizzle-orm/mysql2'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { Knex } from 'knex'
import type { Kysely } from 'kysely'
import type callbacks from 'mysql2'
import type mysql from 'mysql2/promise'
import type pg from 'pg'
import type postgres from 'postgres'
import type { DataSource } from 'typeorm'
import * as holdfast from '../../src/sql/index.ts'

export interface Clients {
  readonly pg: pg.PoolClient
  readonly sql: postgres.Sql
  readonly mysql2: mysql.PoolConnection
  readonly mysql2WithCallbacks: callbacks.Connection
  readonly database: BetterSqlite3.Database
  readonly kysely: Kysely<object>
  readonly drizzlePg: NodePgDatabase
  readonly drizzlePostgresJs: PostgresJsDatabase
  readonly drizzleMysql: MySql2Database
  readonly knex: Knex
  readonly prisma: PrismaClient
  readonly dataSource: DataSource
  readonly em: SqlEntityManager
}

export async function all(clients: Clients): Promise<readonly holdfast.SqlTransaction[]> {
  const found: holdfast.SqlTransaction[] = [
    holdfast.fromPg(clients.pg),
    holdfast.fromMysql2(clients.mysql2),
    holdfast.fromMysql2(clients.mysql2WithCallbacks),
    holdfast.fromBetterSqlite3(clients.database),
  ]
  await clients.sql.begin(async tx => found.push(holdfast.fromPostgresJs(tx)))
  await clients.kysely.transaction().execute(async trx => found.push(holdfast.fromKysely(trx)))
  await clients.drizzlePg.transaction(async tx => found.push(holdfast.fromDrizzle(tx, drizzleSql)))
  await clients.drizzlePostgresJs.transaction(async tx => found.push(holdfast.fromDrizzle(tx, drizzleSql)))
  await clients.drizzleMysql.transaction(async tx => found.push(holdfast.fromDrizzle(tx, drizzleSql)))
  await clients.knex.transaction(async trx => found.push(holdfast.fromKnex(trx)))
  await clients.prisma.$transaction(async tx => found.push(holdfast.fromPrisma(tx)))
  await clients.dataSource.transaction(async manager => found.push(holdfast.fromTypeOrm(manager)))
  await clients.em.transactional(async em => found.push(holdfast.fromMikroOrm(em)))
  return found
}
