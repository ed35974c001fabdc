/** Ports of the loopback that nobody listens on at the moment. */
import { createServer } from 'node:net'
import { HoldfastError } from '../base/errors.ts'
import { HOST } from './kind.ts'

const TRIES = 50

/** The first of `count` (1) in a row. Somebody else may take one before it is used. */
export async function freePort(count = 1): Promise<number> {
  for (let left = TRIES; left > 0; left -= 1) {
    const first = await anyFree()
    const rest = Array.from({ length: count - 1 }, (_, index) => first + 1 + index)
    if ((await Promise.all(rest.map(isFree))).every(Boolean)) return first
  }
  throw new HoldfastError(`There are no ${count} free ports in a row.`)
}

export function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, HOST, () => probe.close(() => resolve(true)))
  })
}

function anyFree(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, HOST, () => {
      const address = probe.address()
      probe.close(() =>
        address === null || typeof address === 'string'
          ? reject(new HoldfastError('No free port.'))
          : resolve(address.port),
      )
    })
  })
}
