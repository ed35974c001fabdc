/** Addresses of Consul (address.ts has their forms). */
import type { Opening } from '../shared/opening.ts'

export const consul: Opening = {
  schemes: ['consul', 'consuls'],
  open: async (address, options) => (await import('../consul.ts')).consulStore(address, options),
}
