/** Prisma: the `tx` of an interactive transaction. */
import { ConfigurationError } from '../../base/errors.ts'
import type { Dialect, SqlTransaction } from '../transaction.ts'
import { outside, rowsIn } from './refusals.ts'

/** The part of Prisma's `TransactionClient` that is needed. */
export interface PrismaLike {
  $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown>
  $executeRawUnsafe(text: string, ...values: unknown[]): PromiseLike<number>
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
  postgresql: 'postgres',
  postgres: 'postgres',
  mysql: 'mysql',
  sqlite: 'sqlite',
}
const ADVICE = 'Take the tx that prisma.$transaction(async tx => ...) hands out.'

/**
 * A transaction of Prisma: the `tx` that your function gets from `prisma.$transaction(async tx => ...)`. Of the raw
 * calls those are used that take text and values apart, so that values are bound.
 * @throws ConfigurationError  the client itself, whose every query may go through another connection; a database that
 * holdfast does not know
 */
export function fromPrisma(tx: PrismaLike): SqlTransaction {
  if (typeof Reflect.get(tx, '$connect') === 'function') throw outside('This Prisma client', ADVICE)
  const spoken: unknown = Reflect.get(tx, '_activeProvider')
  const dialect = DIALECTS[String(spoken)]
  if (dialect === undefined)
    throw new ConfigurationError(`Prisma speaks ${String(spoken)} here: PostgreSQL, MySQL and SQLite are supported.`)
  return {
    dialect,
    rows: async (text, values) => rowsIn(await tx.$queryRawUnsafe(text, ...values)),
    execute: async (text, values) => tx.$executeRawUnsafe(text, ...values),
  }
}
