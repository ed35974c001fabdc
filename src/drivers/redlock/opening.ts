/** Addresses of several independent servers. */
import type { Opening } from '../shared/opening.ts'

export const redlock: Opening = {
  schemes: ['redlock'],
  open: async (address, options) => (await import('../redlock.ts')).redlockStore(address, options),
}
