/** Addresses of MySQL and MariaDB. */
import type { Opening } from '../shared/opening.ts'

export const mysql: Opening = {
  schemes: ['mysql', 'mariadb'],
  open: async (address, options) => (await import('../mysql.ts')).mysqlStore(address, options),
  dialect: 'mysql',
  migration: async (address, wish) => (await import('./migration.ts')).migrationOf(address, wish),
}
