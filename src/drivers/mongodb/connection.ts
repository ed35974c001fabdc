/** Commands by a client of the user's, or by one of ours that is made anew; and the index that they need least. */
import { withoutPassword } from '../../base/address.ts'
import { createConnection, madeAnew } from '../shared/connection.ts'
import type { Connection, Supply } from '../shared/connection.ts'
import { dial, linkOf } from './client.ts'
import type { Link, MongoClientLike, Where } from './client.ts'
import { failure } from './failures.ts'

const SWEEP = { name: 'holdfast_sweep', expireAfterSeconds: 0 } as const

/** Connects at the first call. @throws ConfigurationError  no client that we know */
export function connectionTo(client: MongoClientLike | string, at: Where): Connection<Link> {
  const supply = typeof client === 'string' ? byAddress(client, at) : given(client, at)
  return createConnection(supply, { failure: (cause, options) => failure(cause, supply.where, options) })
}

function byAddress(address: string, at: Where): Supply<Link> {
  const where = withoutPassword(address)
  return madeAnew({
    where,
    open: async timeoutMs => prepared(await dial(address, { ...at, shown: where }, timeoutMs)),
    // It connects again by itself.
    ready: () => true,
    end: link => link.end(),
  })
}

function given(client: MongoClientLike, at: Where): Supply<Link> {
  const link = linkOf(client, at, () => {})
  let used: Link | undefined
  return { where: 'the given MongoDB client', link: () => (used ??= prepared(link)), drop() {}, close() {} }
}

/** Who may not make an index does without: then documents that nobody needs stay. */
function prepared(link: Link): Link {
  link.locks.createIndex('sweepAt', SWEEP).catch(() => {})
  return link
}
