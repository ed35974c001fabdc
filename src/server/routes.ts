/**
 * What the server answers on each path, without HTTP around it: a request that has been read, and what the store says
 * to it. The server keeps nothing: every answer is the store's, so any number of servers may stand before one store.
 */
import { within } from '../base/deadline.ts'
import type { Fields } from '../base/decode.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import type { LockView } from '../base/view.ts'
import type { Io, Store, StoreTraits } from '../store/contract.ts'
import { encodeRenewal, PATHS, WIRE_VERSION } from '../store/wire.ts'
import type { StoreInfo } from '../store/wire.ts'
import { namedBy } from './names.ts'
import type { Named } from './names.ts'
import { keyOf, leaveRequestOf, listingOf, renewRequestsOf, revocationOf } from './requests.ts'
import { ticketRequestOf, timeoutOf, understood } from './requests.ts'

/** What the store says to a request, `asked` being its body, or its query as fields. */
export type Route = (store: Store, asked: Fields, io: Io) => Promise<object>

/** By method and path. */
export const ROUTES: Readonly<Record<string, Route>> = {
  [`GET ${PATHS.store}`]: info,
  [`POST ${PATHS.enter}`]: route(ticketRequestOf, (store, request, io) => store.enter(request, io)),
  [`POST ${PATHS.renew}`]: route(renewRequestsOf, async (store, requests, io) => {
    const renewals = await store.renew(requests, io)
    return { renewals: renewals.map(encodeRenewal) }
  }),
  [`POST ${PATHS.leave}`]: route(leaveRequestOf, (store, request, io) => store.leave(request, io)),
  [`POST ${PATHS.revoke}`]: route(revocationOf, async (store, { key, ...request }, io) => {
    return { revoked: await store.revoke(key, request, io) }
  }),
  [`GET ${PATHS.lock}`]: route(keyOf, async (store, key, io) => {
    const lock = await store.inspect(key, io)
    return { lock: lock && withNamespace(lock) }
  }),
  [`GET ${PATHS.locks}`]: route(listingOf, async (store, { prefix, namespace }, io) => {
    const locks = await all(store.list(prefix, io))
    return { locks: locks.map(withNamespace).filter(lock => lock.namespace === namespace) }
  }),
}

function route<Request>(
  read: (asked: Fields, traits: StoreTraits) => Request,
  act: (store: Store, request: Request, io: Io) => Promise<object>,
): Route {
  return (store, asked, io) => {
    const request = understood(() => read(asked, store.traits))
    return act(store, request, io)
  }
}

/** A client that hangs up does not end its call: a `leave` must be carried out all the same. */
export function answer(route: Route, store: Store, asked: Fields): Promise<object> {
  const timeoutMs = understood(() => timeoutOf(asked))
  const late = (): never => {
    throw new StoreUnavailableError(`${store.traits.name} did not answer within ${Math.round(timeoutMs)} ms.`)
  }
  return within(route(store, asked, { timeoutMs }), { timeoutMs, late })
}

/** A client asks this first, so that connecting takes nothing from its first lease. */
async function info(store: Store, _asked: Fields, io: Io): Promise<StoreInfo> {
  await store.connect?.(io)
  return { version: WIRE_VERSION, traits: store.traits, pushes: store.listen !== undefined }
}

function withNamespace(lock: LockView): LockView & Named {
  return { ...lock, ...namedBy(lock.key) }
}

async function all(locks: AsyncIterable<LockView>): Promise<readonly LockView[]> {
  const found: LockView[] = []
  for await (const lock of locks) found.push(lock)
  return found
}
