/** Which refusals of a database, and which of holdfast, are worth another attempt. */
import { describe, expect, test } from 'vitest'
import {
  ConfigurationError,
  LeaseLostError,
  StaleTokenError,
  VersionConflictError,
  WaitTimeoutError,
} from '../../src/index.ts'
import { retryTransaction } from '../../src/sql/index.ts'

const withCode = (fields: object, message = 'refused'): Error => Object.assign(new Error(message), fields)
const wrapped = (name: string, inner: unknown): Error => Object.assign(new Error('an ORM said'), { [name]: inner })

async function attemptsAfter(error: unknown, attempts = 3): Promise<number> {
  let count = 0
  const task = async (attempt: number): Promise<never> => {
    count = attempt
    throw error
  }
  await expect(retryTransaction(task, { attempts })).rejects.toBe(error)
  return count
}

const DEADLOCK = withCode({ code: '40P01' })
const SQLITE_BUSY = 5

describe('a transaction is run again', () => {
  test.each([
    ['a serialization failure of PostgreSQL', withCode({ code: '40001' })],
    ['a deadlock of PostgreSQL', DEADLOCK],
    ['a deadlock of MySQL', withCode({ code: 'ER_LOCK_DEADLOCK', errno: 1213 })],
    ["MySQL's limit for row locks", withCode({ code: 'ER_LOCK_WAIT_TIMEOUT', errno: 1205 })],
    ['a snapshot of MariaDB that is too old', withCode({ code: 'ER_CHECKREAD', errno: 1020 })],
    ['a group of MySQL servers that decided otherwise', withCode({ errno: 3101 })],
    ['a busy file, by node:sqlite', withCode({ code: 'ERR_SQLITE_ERROR', errcode: SQLITE_BUSY })],
    ['a busy file, by better-sqlite3', withCode({ code: 'SQLITE_BUSY_SNAPSHOT' })],
    ['a snapshot of SQLite that is too old', withCode({ errcode: SQLITE_BUSY | (2 << 8) })],
    ['a conflict, in the words of Prisma', withCode({ code: 'P2034' })],
    ['a conflict that an ORM wraps in its cause', new Error('failed', { cause: DEADLOCK })],
    ['a conflict that TypeORM wraps', wrapped('driverError', DEADLOCK)],
    [
      'a conflict deep in what Prisma tells',
      wrapped('meta', { driverAdapterError: { cause: { originalCode: '1213' } } }),
    ],
    ['another version than was read', new VersionConflictError('it is at 8')],
  ])('after %s', async (_name, error) => {
    expect(await attemptsAfter(error)).toBe(3)
  })

  test('until it succeeds, and gives what it came to', async () => {
    const value = await retryTransaction(async attempt => {
      if (attempt < 4) throw DEADLOCK
      return attempt
    })
    expect(value).toBe(4)
  })
})

describe('a transaction is not run again', () => {
  test.each([
    ['a stale token', new StaleTokenError('too old')],
    ['a stale token that an ORM wraps', wrapped('cause', new StaleTokenError('too old'))],
    ['a lost lease, whatever came of it', new LeaseLostError('gone', { cause: DEADLOCK })],
    ['a wait that was over', new WaitTimeoutError('locked', { cause: withCode({ errno: 1205 }) })],
    ['an error of configuration', new ConfigurationError('no such table')],
    ['a unique key that was there', withCode({ code: '23505' })],
    ['an error of its own', new TypeError('defect')],
    ['what is no error', 'thrown text'],
  ])('after %s', async (_name, error) => {
    expect(await attemptsAfter(error)).toBe(1)
  })

  test('once the signal has aborted', async () => {
    const abort = new AbortController()
    let count = 0
    const task = async (): Promise<never> => {
      count += 1
      abort.abort(new Error('stop'))
      throw DEADLOCK
    }
    await expect(retryTransaction(task, { signal: abort.signal })).rejects.toThrow('stop')
    expect(count).toBe(1)
  })

  test('a number of attempts that is none is refused', async () => {
    for (const attempts of [0, -1, 1.5, Number.NaN])
      await expect(retryTransaction(async () => 1, { attempts })).rejects.toThrow(ConfigurationError)
  })
})
