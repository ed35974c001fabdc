/** `holdfast/sql`: correctness inside the user's own transaction. */
export { fence } from './fence.ts'
export { schema } from './schema.ts'
export { fromBetterSqlite3, fromNodeSqlite } from './transaction.ts'
export type { Dialect, Fencing, SqliteLike, SqlTransaction } from './transaction.ts'
