/** Addresses of holdfast servers. What is behind one is asked first, so that its locks have its traits. */
import type { Opening } from '../shared/opening.ts'

const CONNECT_MS = 5_000

export const http: Opening = {
  schemes: ['http', 'https'],
  async open(address, options) {
    const store = (await import('../http.ts')).httpStore(address, options)
    await store.connect?.({ timeoutMs: CONNECT_MS })
    return store
  },
}
