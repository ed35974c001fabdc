/** Addresses of the memory store: each opening is a storage of its own. */
import type { Opening } from '../shared/opening.ts'

export const memory: Opening = {
  schemes: ['memory'],
  open: async (_address, options) => (await import('../memory.ts')).memoryStore(options),
}
