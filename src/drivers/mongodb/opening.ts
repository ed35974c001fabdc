/** Addresses of MongoDB, as its own clients take them. */
import type { Opening } from '../shared/opening.ts'

export const mongodb: Opening = {
  schemes: ['mongodb', 'mongodb+srv'],
  open: async (address, options) => (await import('../mongodb.ts')).mongodbStore(address, options),
}
