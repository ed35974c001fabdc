/** Addresses of PostgreSQL (address.ts has their form). */
import type { Opening } from '../shared/opening.ts'

export const postgres: Opening = {
  schemes: ['postgres', 'postgresql'],
  open: async (address, options) => (await import('../postgres.ts')).postgresStore(address, options),
  dialect: 'postgres',
  migration: async (address, wish) => (await import('./migration.ts')).migrationAt(address, wish),
}
