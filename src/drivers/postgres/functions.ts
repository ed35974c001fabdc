/**
 * The verbs as functions of the server: one call each, so each is atomic and costs one round trip.
 *
 * Each takes the row of its lock first, then reads the clock, then removes the tickets whose time is up, then acts, as
 * the rule of store/rule.ts says. They are VOLATILE and run at READ COMMITTED: every statement after the one that took
 * the row sees all that was committed until then. One statement over several tables would not: its snapshot is older
 * than the lock that it waited for, and three who queue for one row all come to hold.
 *
 * Who comes alone is kept inside the row of its lock, and entering and leaving are one statement. The first call that
 * finds more to do (`holdfast_open`) makes it a row of holdfast_tickets; from then on, until nobody is left, each
 * ticket is a row: what one ticket costs does not depend on how many wait.
 */
import { entering } from './functions/entering.ts'
import { leaving } from './functions/leaving.ts'
import { looking } from './functions/looking.ts'
import { taking } from './functions/taking.ts'

/** `schema` as SQL text. In an order in which each finds those that it calls. */
export function functions(schema: string): readonly string[] {
  return [...taking(schema), ...looking(schema), ...entering(schema), ...leaving(schema)]
}
