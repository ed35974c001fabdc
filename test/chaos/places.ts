/** Where the workers meet: a store by its address, with a proxy before each server that has a plain port. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'

export interface Place {
  /** For the workers: through the proxies. */
  readonly address: string
  /** For who looks on: as it was given. */
  readonly direct: string
  readonly proxies: readonly FaultProxy[]
  close(): Promise<void>
}

/** Several servers behind one address tell each other's ports, and TLS looks at the name: those go without a proxy. */
const PLAIN = /^(redis|valkey|redlock|mysql|mariadb):\/\/([^/?]+)(.*)$/
const USUAL_PORT: Readonly<Record<string, number>> = { mysql: 3_306, mariadb: 3_306 }

export async function placeAt(given: string, seed: number): Promise<Place> {
  if (given === 'sqlite:') return temporaryFile()
  const [, scheme = '', hosts = '', rest = ''] = PLAIN.exec(given) ?? []
  if (scheme === '') return { address: given, direct: given, proxies: [], close: async () => {} }
  const proxies: FaultProxy[] = []
  const behind: string[] = []
  for (const [index, host] of hosts.split(',').entries()) {
    const { username, password, hostname, port } = new URL(`redis://${host}`)
    const proxy = await startProxy({
      ...{ host: hostname, port: port === '' ? (USUAL_PORT[scheme] ?? 6_379) : Number(port), seed: seed + index },
      // Only there a command can be told from the next, and be sent twice.
      ...(scheme in USUAL_PORT ? {} : { protocol: 'redis' }),
    })
    proxies.push(proxy)
    const user = password === '' ? '' : `${username}:${password}@`
    behind.push(`${user}${proxy.host}:${proxy.port}`)
  }
  return {
    address: `${scheme}://${behind.join(',')}${rest}`,
    direct: given,
    proxies,
    close: async () => void (await Promise.all(proxies.map(proxy => proxy.close()))),
  }
}

function temporaryFile(): Place {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-chaos-'))
  const address = `sqlite:${join(directory, 'locks.db')}`
  return {
    ...{ address, direct: address, proxies: [] },
    close: async () => rmSync(directory, { recursive: true, force: true }),
  }
}
