/** What needs no server: addresses, options, and the SQL that is shown. */
import { describe, expect, test } from 'vitest'
import { ConfigurationError, StoreUnavailableError } from '../../src/base/errors.ts'
import { failure, isOvertaken } from '../../src/drivers/postgres/failures.ts'
import { postgresAddress } from '../../src/drivers/postgres/address.ts'
import { migrationAt } from '../../src/drivers/postgres/migration.ts'
import { postgresStore } from '../../src/drivers/postgres.ts'

describe('addresses of PostgreSQL', () => {
  test('are read as libpq reads them', () => {
    expect(postgresAddress('postgresql://us%40er:pa%2Fss@db/shop?schema=my%20locks')).toMatchObject({
      ...{ hosts: [{ host: 'db', port: 5432 }], user: 'us@er', password: 'pa/ss', database: 'shop' },
      ...{ schema: 'my locks', tls: undefined, shown: 'postgresql://us%40er@db/shop?schema=my%20locks' },
    })
    expect(postgresAddress('postgres://a@h1,[::1]:6000')).toMatchObject({
      ...{
        hosts: [
          { host: 'h1', port: 5432 },
          { host: '::1', port: 6000 },
        ],
        database: 'a',
      },
    })
    expect(postgresAddress('postgres://h?sslmode=require').tls).toEqual({ rejectUnauthorized: false })
    expect(postgresAddress('postgres://h?sslmode=verify-full').tls).toEqual({})
    expect(postgresAddress('postgres://h', { tls: { servername: 'db' } }).tls).toEqual({ servername: 'db' })
  })

  test.each([
    ['postgres://h/a/b', 'more than the name of a database'],
    ['postgres://h?pool=3', 'the parameter pool is unknown'],
    ['postgres://h?sslmode=prefer', 'sslmode must be one of'],
    ['postgres://h?sslrootcert=missing.crt&sslmode=verify-full', 'sslrootcert cannot be read'],
    ['postgres://user:secret@h:x', 'where host and port should be'],
  ])('that make no sense are refused: %s', (address, why) => {
    expect(() => postgresStore(address)).toThrow(ConfigurationError)
    expect(() => postgresStore(address)).toThrow(why)
    expect(() => postgresStore(address)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    )
  })
})

test('what is no client, and options that make no sense, are refused', () => {
  const wrong: unknown[] = [{}, null, 5, () => {}]
  for (const client of wrong)
    expect(() => Reflect.apply(postgresStore, undefined, [client])).toThrow(ConfigurationError)
  expect(() => postgresStore('postgres://h', { schema: '' })).toThrow('schema must be the name')
  expect(() => postgresStore('postgres://h', { clockErrorMs: -1 })).toThrow('clockErrorMs')
  expect(() => postgresStore('postgres://h', { namespace: '\ud800' })).toThrow('namespace')
  expect(() => Reflect.apply(postgresStore, undefined, ['postgres://h', { scheme: 'x' }])).toThrow(
    'did you mean "schema"',
  )
})

test('nobody there is told with the address, without its password', async () => {
  const store = postgresStore('postgres://user:secret@127.0.0.1:1/shop')
  const failing = store.inspect('a', { timeoutMs: 5_000 })
  await expect(failing).rejects.toThrow(StoreUnavailableError)
  await expect(failing).rejects.toThrow('postgres://user@127.0.0.1:1/shop cannot be used')
  await store.close()
})

test('the SQL that is shown names the schema, and one that needs quotes', () => {
  const sql = migrationAt('postgres://h/d?schema=my%22locks').print()
  expect(sql).toContain('CREATE SCHEMA "my""locks"')
  expect(sql).toMatch(/^BEGIN;[^]*COMMIT;\n$/)
  expect(migrationAt('postgres://h/d').print()).not.toContain('CREATE SCHEMA')
})

describe('what a server answers', () => {
  const of = { where: 'a database', schema: 'public', sent: true }
  const answer = (code: string): Error => Object.assign(new Error('it says so'), { code, severity: 'ERROR' })

  test.each(['28P01', '28000', '3D000', '42501', '42P01', '42883', '3F000', '42703', '42804'])(
    '%s stays as it is however often one asks',
    code => expect(failure(answer(code), of)).toBeInstanceOf(ConfigurationError),
  )

  test.each([
    ['53100', false, 'Make room'],
    ['53300', false, 'Raise max_connections'],
    ['25006', false, 'It is read-only'],
    ['40001', false, ''],
    ['57P01', true, ''],
    ['57P02', true, ''],
    ['08P01', true, ''],
  ])('%s may pass; the statement may have been carried out: %s', (code, ambiguous, advice) => {
    const error = failure(answer(code), of)
    expect(error).toBeInstanceOf(StoreUnavailableError)
    expect(error).toMatchObject({ ambiguous, message: expect.stringContaining(advice) })
  })

  test('a connection that ends leaves open what has become of a statement that was sent', () => {
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    expect(failure(reset, of)).toMatchObject({ ambiguous: true })
    expect(failure(reset, { ...of, sent: false })).toMatchObject({ ambiguous: false })
  })

  test('what had no effect is known, also from inside of our own error', () => {
    expect(isOvertaken(failure(answer('55P03'), of))).toBe(true)
    expect(isOvertaken(failure(answer('57P01'), of))).toBe(false)
  })
})
