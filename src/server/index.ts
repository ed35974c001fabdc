/** `holdfast/server`: a store for others over HTTP. */
export { serveStore } from './serve.ts'
export type { ServeOptions, StoreServer } from './serve.ts'
