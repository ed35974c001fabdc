/** Rooms and bookings: the tables, how many bookings there are, and the statements that make one. */
import type { SqlTransaction } from '../sql/transaction.ts'
import type { Connection } from './database.ts'
import { createSchema, createTable, insertNew, numberOf, tableNamed } from './tables.ts'

/** Without a constraint, with one, and the inventory: a row for each room and night. */
const BOOKING = tableNamed('booking')
const UNIQUE = tableNamed('booking_unique')
const ROOM = tableNamed('room')
const AT = [101, '2026-05-01']

export async function createRooms(stage: Parameters<typeof createTable>[0], on: Connection): Promise<void> {
  const columns = 'room INTEGER NOT NULL, night VARCHAR(10) NOT NULL, guest VARCHAR(20)'
  await createSchema(stage, on)
  await createTable(stage, on, { name: 'booking', columns })
  await createTable(stage, on, { name: 'booking_unique', columns: `${columns}, PRIMARY KEY (room, night)` })
  await createTable(stage, on, { name: 'room', columns: `${columns}, paying VARCHAR(20)` })
}

export async function reset(tx: SqlTransaction): Promise<void> {
  for (const table of [BOOKING, UNIQUE, ROOM]) await tx.execute(`DELETE FROM ${table}`, [])
  await tx.execute(`INSERT INTO ${ROOM} (room, night) VALUES (?, ?)`, AT)
}

/** However they were made. */
export async function bookings(on: SqlTransaction): Promise<number> {
  const made = [BOOKING, UNIQUE, ROOM].map(table => `(SELECT COUNT(guest) FROM ${table})`)
  return numberOf(on, `SELECT ${made.join(' + ')} AS made`)
}

const changes = async (tx: SqlTransaction, text: string, values: readonly unknown[]): Promise<boolean> =>
  (await tx.execute(text, values)) > 0

export const insert = (tx: SqlTransaction, guest: string): Promise<boolean> =>
  changes(tx, `INSERT INTO ${BOOKING} VALUES (?, ?, ?)`, [...AT, guest])
export const insertUnique = (tx: SqlTransaction, guest: string): Promise<boolean> =>
  insertNew(tx, { table: UNIQUE, row: [...AT, guest] })
export const reserve = (tx: SqlTransaction, guest: string): Promise<boolean> =>
  changes(tx, `UPDATE ${ROOM} SET guest = ? WHERE room = ? AND night = ? AND guest IS NULL`, [guest, ...AT])
/** The seat is held while the guest pays. */
export const holdSeat = (tx: SqlTransaction, guest: string): Promise<boolean> =>
  changes(tx, `UPDATE ${ROOM} SET paying = ? WHERE room = ? AND night = ? AND paying IS NULL`, [guest, ...AT])
export const takeSeat = (tx: SqlTransaction, guest: string): Promise<boolean> =>
  changes(tx, `UPDATE ${ROOM} SET guest = paying WHERE room = ? AND night = ? AND paying = ?`, [...AT, guest])
