/** Addresses of SQLite files. */
import type { Opening } from '../shared/opening.ts'

export const sqlite: Opening = {
  schemes: ['sqlite'],
  open: async (address, options) => (await import('../sqlite.ts')).sqliteStore(address, options),
}
