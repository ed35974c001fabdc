/**
 * MikroORM: the `em` of `em.transactional()`. It works on the transaction below it, Knex's up to version 6 and Kysely's
 * from version 7 on, since its own raw queries write values into the text.
 */
import type { SqlTransaction } from '../transaction.ts'
import { fromKnex } from './knex.ts'
import type { KnexLike } from './knex.ts'
import { fromKysely } from './kysely.ts'
import type { KyselyLike } from './kysely.ts'
import { outside } from './refusals.ts'

/** The part of MikroORM's `SqlEntityManager` that is needed. */
export interface MikroOrmLike {
  getTransactionContext(): unknown
}

/**
 * A transaction of MikroORM: the `em` that your function gets from `em.transactional(async em => ...)`, or one after
 * its `begin()`. What the unit of work has changed is not in the database before its `flush()`.
 * @throws ConfigurationError  an `em` outside a transaction, whose every query goes through another connection
 */
export function fromMikroOrm(em: MikroOrmLike): SqlTransaction {
  const below = em.getTransactionContext()
  if (isKysely(below)) return fromKysely(below)
  if (isKnex(below)) return fromKnex(below)
  throw outside('This em of MikroORM', 'Take the one that em.transactional(async em => ...) hands out.')
}

function isKysely(below: unknown): below is KyselyLike {
  return typeof below === 'object' && below !== null && 'getExecutor' in below
}

function isKnex(below: unknown): below is KnexLike {
  return typeof below === 'function' && 'isCompleted' in below
}
