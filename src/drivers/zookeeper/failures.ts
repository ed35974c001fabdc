/** What a failure of ZooKeeper means: may the request have been carried out, and can asking again help? */
import { ConfigurationError, HoldfastError, StoreUnavailableError } from '../../base/errors.ts'
import { reasonOf } from '../shared/connection.ts'

/** The server's word that it will not do it, by its number (org.apache.zookeeper.KeeperException.Code). */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: number
  constructor(code: number) {
    super(MEANING[code] ?? `error ${code}`)
    this.code = code
  }
}

/** The server no longer knows the session. */
export class SessionExpired extends Error {
  override readonly name = 'SessionExpired'
}

const MEANING: Readonly<Record<number, string>> = {
  [-4]: 'CONNECTIONLOSS',
  [-6]: 'UNIMPLEMENTED',
  [-7]: 'OPERATIONTIMEOUT',
  [-101]: 'NONODE',
  [-102]: 'NOAUTH',
  [-103]: 'BADVERSION',
  [-108]: 'NOCHILDRENFOREPHEMERALS',
  [-110]: 'NODEEXISTS',
  [-112]: 'SESSIONEXPIRED',
  [-114]: 'INVALIDACL',
  [-115]: 'AUTHFAILED',
  [-118]: 'SESSIONMOVED',
  [-119]: 'NOTREADONLY',
  [-124]: 'SESSIONCLOSEDREQUIRESASLAUTH',
  [-125]: 'QUOTAEXCEEDED',
  [-127]: 'THROTTLEDOP',
}
/** The same however often one asks, and what to do about it. */
const ADVICE: Readonly<Record<number, string>> = {
  [-6]: 'ZooKeeper 3.5 or newer is needed',
  [-102]:
    'the nodes below /holdfast belong to another user, or their ACL forbids it: look at user and password in the address (%-escaped), or in the file of HOLDFAST_STORE_PASSWORD_FILE, and give that user all rights there (docs/drivers/zookeeper.md)',
  [-108]: 'what stands in the place of a lock is an ephemeral node, and none of ours: remove it',
  [-114]: 'it does not take the login for one: its digest authentication may be off',
  [-115]: 'it refuses the login: look at user and password in the address',
  [-124]: 'it wants a login by SASL, which this driver has not',
}
/** Said before anything is done. */
const NOT_DONE = new Set([-6, -102, -108, -112, -114, -115, -118, -119, -124, -125, -127])

/** Nothing that was sent with the session can be done any more, or not by this member: another connection is needed. */
export function needsAnother(cause: unknown): boolean {
  return cause instanceof Refusal && [-4, -112, -118, -119].includes(cause.code)
}

export function failureOf(cause: unknown, where: string, { sent }: { readonly sent: boolean }): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const why = cause instanceof Error ? reasonOf(cause) : String(cause)
  if (!(cause instanceof Refusal))
    return new StoreUnavailableError(`${where} cannot be used: ${why}`, { cause, ambiguous: sent })
  const advice = ADVICE[cause.code]
  if (advice !== undefined) return new ConfigurationError(`${where} refuses with ${why}: ${advice}.`, { cause })
  return new StoreUnavailableError(`${where} answered ${why}.`, { cause, ambiguous: !NOT_DONE.has(cause.code) })
}
