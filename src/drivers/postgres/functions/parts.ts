/** What several functions have in common. */

/** A row that somebody keeps is waited for no longer; then other calls of this connection have their turn. */
const LOCK_MS = 250

/**
 * Settings of the server that could harm, set for the time of a call: the search path, since whoever may create
 * operators in a schema of it could have them run here; the limit on waiting for a lock, after which the driver asks
 * again, so that a row that somebody keeps does not keep the whole connection; and full scans, which a plan that was
 * made while a table was empty would go on using.
 */
export const SAFE = `SET search_path = pg_catalog, pg_temp SET lock_timeout = '${LOCK_MS}ms' SET enable_seqscan = off`

/** The columns of a ticket's row, but for its lock. */
export const TICKET = 'token, tokens, id, shared, most, about, channel, entered, held, ends, life, claim, kept, revoked'
