/**
 * A TCP proxy that stands between a client and its store and does to the network what networks do. No root needed,
 * faults are switched while connections live, and with the same seed they come again the same way.
 *
 *   client -> [to the server: delay, jitter, hold, drop, repeat] -> server
 *   client <- [to the client: delay, jitter, hold, drop]         <- server
 *
 * TCP has no lost segment to offer: what is lost is the connection. So `drop` throws bytes away while it is on, and a
 * connection that lost some is cut when it goes off, since what followed would make no sense to either end. `hold`
 * loses nothing: the bytes arrive late, all of them.
 */
import { createConnection, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { sleep, systemClock } from '../../base/clock.ts'
import { HoldfastError } from '../../base/errors.ts'
import { atExit } from '../../servers/cleanup.ts'
import { seeded } from './random.ts'
import { commandReader } from './resp.ts'
import type { Command } from './resp.ts'

/** What happens to the bytes of one direction. */
export interface DirectionFaults {
  readonly delayMs: number
  /** At most this much is added to the delay, at random. Order is kept, as TCP keeps it. */
  readonly jitterMs: number
  /** Bytes wait until this is off again. */
  readonly hold: boolean
  /** Bytes are thrown away. */
  readonly drop: boolean
}

export interface Faults {
  readonly toServer: DirectionFaults
  readonly toClient: DirectionFaults
  /** New connections are accepted and then met with silence, as by a machine that died behind its switch. */
  readonly halfOpen: boolean
  /** New connections are closed at once. */
  readonly refuse: boolean
  /**
   * The chance (0 to 1) that what a client sends is sent once more, `afterMs` later, on a connection of its own whose
   * answers nobody reads.
   */
  readonly repeat: { readonly chance: number; readonly afterMs: number }
}

/** What to change; what is not named stays. `both` sets the two directions alike. */
export interface FaultChange {
  readonly both?: Partial<DirectionFaults>
  readonly toServer?: Partial<DirectionFaults>
  readonly toClient?: Partial<DirectionFaults>
  readonly halfOpen?: boolean
  readonly refuse?: boolean
  readonly repeat?: Faults['repeat']
}

export interface Counts {
  readonly connections: number
  readonly bytesToServer: number
  readonly bytesToClient: number
  /** With `protocol: 'redis'`: how many commands of each name were sent, repeats by the proxy left out. */
  readonly commands: ReadonlyMap<string, number>
  readonly commandsTotal: number
}

export interface ProxyOptions {
  readonly host?: string
  readonly port: number
  /** Default 1. */
  readonly seed?: number
  /** 'redis': commands are counted, and repeated whole. */
  readonly protocol?: 'redis'
}

export interface FaultProxy {
  readonly host: string
  readonly port: number
  readonly faults: Faults
  set(change: FaultChange): void
  /** No faults. Connections that lost bytes are cut. */
  clear(): void
  /** Cuts every connection now. */
  cut(): void
  counts(): Counts
  resetCounts(): void
  close(): Promise<void>
}

const NONE: DirectionFaults = { delayMs: 0, jitterMs: 0, hold: false, drop: false }
const HEALTHY: Faults = {
  toServer: NONE,
  toClient: NONE,
  halfOpen: false,
  refuse: false,
  repeat: { chance: 0, afterMs: 0 },
}
const HOST = '127.0.0.1'
/** More than this under way in one direction, and the sender is no longer read. */
const IN_FLIGHT_BYTES = 4 * 1024 * 1024

type Direction = 'toServer' | 'toClient'

/** One client's connection and its way on. */
interface Link {
  readonly client: Socket
  readonly server: Socket | null
  lost: boolean
}

/** Starts a proxy in front of a server, on a free port of the loopback. */
export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const { host = HOST, port, seed = 1, protocol } = options
  const random = seeded(seed)
  const links = new Set<Link>()
  let faults = HEALTHY
  let changed = new AbortController()
  let counts = noCounts()

  const listener = createServer(client => {
    if (faults.refuse) return void client.destroy()
    counts.connections += 1
    const server = faults.halfOpen ? null : createConnection({ host, port, noDelay: true })
    const link: Link = { client, server, lost: false }
    links.add(link)
    client.setNoDelay(true)
    client.on('error', ignore)
    client.on('close', () => end(link))
    if (server === null) return void client.resume()
    server.on('error', ignore)
    server.on('close', () => end(link))
    const repeat = repeater(link)
    const reader = protocol === 'redis' ? commandReader() : null
    forward(link, client, server, 'toServer', chunk => {
      counts.bytesToServer += chunk.length
      const commands = reader?.read(chunk)
      for (const command of commands ?? []) countCommand(command)
      for (const { bytes } of commands ?? [{ bytes: chunk }]) repeat(bytes)
    })
    forward(link, server, client, 'toClient', chunk => {
      counts.bytesToClient += chunk.length
    })
  })

  function end(link: Link): void {
    links.delete(link)
    link.client.destroy()
    link.server?.destroy()
  }

  function countCommand({ name }: Command): void {
    counts.commands.set(name, (counts.commands.get(name) ?? 0) + 1)
  }

  /** Passes on what arrives, each piece no sooner than it is due and in order. */
  function forward(link: Link, from: Socket, to: Socket, direction: Direction, seen: (chunk: Buffer) => void): void {
    let tail: Promise<void> = Promise.resolve()
    let waiting = 0
    from.on('data', (chunk: Buffer) => {
      seen(chunk)
      const { delayMs, jitterMs } = faults[direction]
      const dueAt = systemClock.now() + delayMs + (jitterMs > 0 ? random() * jitterMs : 0)
      waiting += chunk.length
      if (waiting > IN_FLIGHT_BYTES) from.pause()
      tail = tail.then(async () => {
        await sleep(systemClock, dueAt - systemClock.now(), { idle: true })
        while (faults[direction].hold && links.has(link))
          await sleep(systemClock, Infinity, { signal: changed.signal, idle: true })
        waiting -= chunk.length
        from.resume()
        if (faults[direction].drop) link.lost = true
        else if (!to.destroyed) to.write(chunk)
      })
    })
    // An end is passed on like a byte: after all that was sent before it.
    from.on('end', () => {
      tail = tail.then(() => void to.end())
    })
  }

  /** A second connection to the server for one client's repeats, opened when first needed. */
  function repeater(link: Link): (bytes: Buffer) => void {
    let twin: Socket | null = null
    const dial = (): Socket => {
      const socket = createConnection({ host, port, noDelay: true })
      socket.on('error', ignore)
      socket.resume()
      link.client.on('close', () => socket.destroySoon())
      return socket
    }
    let tail: Promise<void> = Promise.resolve()
    return bytes => {
      const { chance, afterMs } = faults.repeat
      if (chance === 0 || random() >= chance) return
      const dueAt = systemClock.now() + afterMs
      tail = tail.then(async () => {
        await sleep(systemClock, dueAt - systemClock.now(), { idle: true })
        twin = twin === null || twin.destroyed ? dial() : twin
        twin.write(bytes)
        // A repeat that outlives its client is still sent, but nobody is left to close its connection.
        if (link.client.destroyed) twin.destroySoon()
      })
    }
  }

  function apply(next: Faults): void {
    for (const link of links) if (link.lost && !next.toServer.drop && !next.toClient.drop) end(link)
    faults = next
    changed.abort()
    changed = new AbortController()
  }

  await listening(listener, HOST)
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new HoldfastError('The proxy has no port.')
  const forget = atExit(() => listener.close())

  return {
    host: HOST,
    port: address.port,
    get faults() {
      return faults
    },
    set: change =>
      apply({
        toServer: { ...faults.toServer, ...change.both, ...change.toServer },
        toClient: { ...faults.toClient, ...change.both, ...change.toClient },
        halfOpen: change.halfOpen ?? faults.halfOpen,
        refuse: change.refuse ?? faults.refuse,
        repeat: change.repeat ?? faults.repeat,
      }),
    clear: () => apply(HEALTHY),
    cut() {
      for (const link of links) {
        link.client.resetAndDestroy()
        end(link)
      }
    },
    counts: () => ({
      ...counts,
      commands: new Map(counts.commands),
      commandsTotal: [...counts.commands.values()].reduce((sum, count) => sum + count, 0),
    }),
    resetCounts() {
      counts = noCounts()
    },
    async close() {
      forget()
      const closed = new Promise<void>(resolve => listener.close(() => resolve()))
      for (const link of links) end(link)
      apply(HEALTHY)
      await closed
    },
  }
}

function noCounts(): {
  connections: number
  bytesToServer: number
  bytesToClient: number
  commands: Map<string, number>
} {
  return { connections: 0, bytesToServer: 0, bytesToClient: 0, commands: new Map<string, number>() }
}

function listening(listener: Server, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(0, host, resolve)
  })
}

/** A connection that breaks is what this proxy is for; its 'close' says all that is needed. */
function ignore(): void {}
