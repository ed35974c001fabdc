/** holdfast/sql on MySQL and MariaDB, through mysql2. */
import callbacks from 'mysql2'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigurationError, StaleTokenError } from '../../src/index.ts'
import { fence, fromMysql2 } from '../../src/sql/index.ts'
import { describeWithStore } from '../support/stores.ts'
import type { Database } from './databases.ts'
import { onMysql2 } from './databases.ts'
import { describeFence } from './fencing.ts'
import { describeRows } from './rows.ts'

const LEASE = { key: 'account:7', token: 1_795_240_547_670_301 }

for (const store of ['mysql', 'mariadb']) {
  describeWithStore(store, `on ${store}`, url => {
    describeFence(store, () => onMysql2(url))
    describeRows(store, () => onMysql2(url))

    describe(`a transaction on mysql2, on ${store}`, () => {
      test('is none for a pool, nor for a connection outside of one', async () => {
        for (const pool of [mysql.createPool(url), callbacks.createPool(url)]) {
          expect(() => fromMysql2(pool)).toThrow('pool.getConnection()')
          await pool.end()
        }
        const connection = await mysql.createConnection(url)
        await expect(fence(fromMysql2(connection), LEASE)).rejects.toThrow(ConfigurationError)
        await connection.end()
      })

      test('is over after the COMMIT, and so is the handle', async () => {
        const connection = await mysql.createConnection(url)
        await connection.beginTransaction()
        const tx = fromMysql2(connection)
        await tx.rows('SELECT 1', [])
        await connection.commit()
        await expect(tx.execute('DO 1', [])).rejects.toThrow(ConfigurationError)
        await connection.end()
      })

      test('is one on the package with callbacks, and where rows are lists', async () => {
        const connection = callbacks.createConnection({ uri: url, rowsAsArray: true })
        await connection.promise().query('START TRANSACTION')
        expect(await fromMysql2(connection).rows('SELECT ? AS one', ['a'])).toEqual([{ one: 'a' }])
        connection.destroy()
      })
    })

    describe(`a fence on ${store} where the server mends what does not fit`, () => {
      let database: Database
      beforeAll(async () => {
        database = await onMysql2(url)
      })
      afterAll(() => database.end())

      test.each(['VARCHAR(3)', 'INT', 'TINYINT', 'DATE', 'DECIMAL(3)', 'FLOAT'])('refuses tokens of %s', async type => {
        const session = await database.connect()
        await session.run("SET sql_mode = ''")
        await session.run('DROP TABLE IF EXISTS odd')
        await session.run(`CREATE TABLE odd (resource VARCHAR(20) PRIMARY KEY, token ${type}, raised_at DATETIME(6))`)
        const error = await session.within(tx => fence(tx, LEASE, { table: 'odd' })).catch((error: unknown) => error)
        // A FLOAT may have rounded up.
        expect(error instanceof ConfigurationError || error instanceof StaleTokenError, String(error)).toBe(true)
      })

      test.each(['latin1', 'utf8mb3'])('refuses a resource that %s cannot keep', async charset => {
        const session = await database.connect()
        await session.run("SET sql_mode = ''")
        await session.run('DROP TABLE IF EXISTS odd')
        await session.run(
          `CREATE TABLE odd (resource VARCHAR(20) PRIMARY KEY, token BIGINT, raised_at DATETIME(6)) CHARACTER SET ${charset}`,
        )
        for (const resource of ['🔒', 'x'.repeat(40)])
          await expect(session.within(tx => fence(tx, LEASE, { table: 'odd', resource }))).rejects.toThrow(
            ConfigurationError,
          )
        expect(await session.run('SELECT * FROM odd')).toEqual([])
      })
    })
  })
}
