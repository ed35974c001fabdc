/**
 * Real servers for experiments and tests: started from the programs on the PATH, on a free port of the loopback, in a
 * temporary directory of their own, and gone with it when this process ends or gets Ctrl-C.
 *
 * A server can be paused, continued, killed and started again, with its data or without, on the same port. Started by
 * root they run as `nobody`, since some refuse to run as root.
 */
import { chmod, chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { accessSync, closeSync, constants, openSync, rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { sleep, systemClock } from '../../base/clock.ts'
import { HoldfastError, UnsupportedError } from '../../base/errors.ts'
import { startChild } from './children.ts'
import type { Child } from './children.ts'
import { atExit } from './cleanup.ts'
import { steppedClock } from './clock.ts'
import type { SteppedClock } from './clock.ts'

/** How a kind of server is started. */
export interface ServerKind {
  readonly name: string
  /** The first of these that is on the PATH. */
  readonly programs: readonly string[]
  /** What to install, for the message. */
  readonly package: string
  arguments(at: { readonly port: number; readonly data: string }): readonly string[]
  /** What to send once connected, and the text that a server which serves answers with. */
  readonly greeting: { readonly send: string; readonly expect: string }
}

const onLoopback = ({ port, data }: { port: number; data: string }): readonly string[] => [
  '--bind',
  '127.0.0.1',
  '--port',
  String(port),
  '--dir',
  data,
  '--save',
  '',
]
const PING = { send: 'PING\r\n', expect: '+PONG' }

export const REDIS: ServerKind = {
  name: 'redis',
  programs: ['redis-server'],
  package: 'redis-server',
  arguments: onLoopback,
  greeting: PING,
}

/** Redis that has what it confirmed on disk before it confirms. */
export const REDIS_DURABLE: ServerKind = {
  ...REDIS,
  name: 'redis-durable',
  arguments: at => [...onLoopback(at), '--appendonly', 'yes', '--appendfsync', 'always'],
}

export const VALKEY: ServerKind = { ...REDIS, name: 'valkey', programs: ['valkey-server'], package: 'valkey-server' }

export const MEMCACHED: ServerKind = {
  name: 'memcached',
  programs: ['memcached'],
  package: 'memcached',
  arguments: ({ port }) => ['-l', '127.0.0.1', '-p', String(port), '-U', '0'],
  greeting: { send: 'version\r\n', expect: 'VERSION' },
}

export interface ServerOptions {
  /** More arguments for the program, after ours. */
  readonly args?: readonly string[]
  /** Default: a free one. */
  readonly port?: number
  /** Makes its clock one that can be stepped (see clock.ts). */
  readonly stepClock?: boolean
}

export interface FaultServer {
  readonly kind: string
  readonly host: string
  readonly port: number
  /** For this run; changes with every restart. */
  readonly pid: number
  /** Set with `stepClock`. */
  readonly clock: SteppedClock | null
  running(): boolean
  pause(): Promise<void>
  resume(): void
  /** SIGKILL. */
  kill(): Promise<void>
  /**
   * Ends it if it runs (politely, if `kill` was not called before) and starts it again on its port. `empty`: its data
   * are removed first.
   */
  restart(options?: { readonly empty?: boolean }): Promise<void>
  /** Ends it and removes its directory. */
  close(): Promise<void>
}

const HOST = '127.0.0.1'
const READY_MS = 10_000
/** A free port may be taken by somebody else before the server gets to it. */
const TRIES = 3

/** The program of a kind, or null if none is on the PATH: for tests that must say why they did not run. */
export function programOf(kind: ServerKind): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '')
  const paths = kind.programs.flatMap(program => folders.map(folder => join(folder, program)))
  return paths.find(runnable) ?? null
}

/**
 * Starts a server and resolves when it answers.
 * @throws UnsupportedError  the program is not installed; or `stepClock` and no compiler
 * @throws HoldfastError     it did not come up (the message ends with its own last words)
 */
export async function startServer(kind: ServerKind, options: ServerOptions = {}): Promise<FaultServer> {
  const program = programOf(kind)
  if (program === null)
    throw new UnsupportedError(
      `${kind.programs.join(' or ')} is not on the PATH. Install it: apt-get install ${kind.package}`,
    )
  const directory = await mkdtemp(join(tmpdir(), `holdfast-${kind.name}-`))
  const forget = atExit(() => rmSync(directory, { recursive: true, force: true }))
  const data = join(directory, 'data')
  const log = join(directory, 'log')
  const user = await nobody()

  async function close(): Promise<void> {
    await child?.stop()
    await rm(directory, { recursive: true, force: true })
    forget()
  }

  async function freshData(): Promise<void> {
    await rm(data, { recursive: true, force: true })
    await mkdir(data)
    if (user !== null) await chown(data, user.uid, user.gid)
  }

  async function launch(port: number): Promise<Child> {
    const output = openSync(log, 'a')
    try {
      const started = await startChild(
        program ?? kind.name,
        [...kind.arguments({ port, data }), ...(options.args ?? [])],
        {
          cwd: data,
          // A group of its own: Ctrl-C in the terminal is for us, and we end it.
          detached: true,
          stdio: ['ignore', output, output],
          env: { ...process.env, ...clock?.environment },
          ...user,
        },
      )
      started.process.unref()
      if (await ready(kind, port, started)) return started
      await started.kill()
    } finally {
      closeSync(output)
    }
    const words = (await readFile(log, 'utf8')).trim().split('\n').slice(-5).join('\n')
    throw new HoldfastError(`${kind.name} did not come up on port ${port}:\n${words}`)
  }

  let child: Child | null = null
  let clock: SteppedClock | null = null
  let port = options.port ?? 0
  try {
    await chmod(directory, 0o755)
    await freshData()
    if (options.stepClock === true) clock = await steppedClock(directory)
    for (let left = options.port === undefined ? TRIES : 1; child === null; left -= 1) {
      port = options.port ?? (await freePort())
      child = await launch(port).catch((cause: unknown) => {
        if (left <= 1) throw cause
        return null
      })
    }
  } catch (cause) {
    await close()
    throw cause
  }
  let current = child

  return {
    kind: kind.name,
    host: HOST,
    port,
    get pid() {
      return current.pid
    },
    clock,
    running: () => current.running(),
    pause: () => current.pause(),
    resume: () => current.resume(),
    async kill() {
      await current.kill()
    },
    async restart({ empty = false } = {}) {
      await current.stop()
      if (empty) await freshData()
      child = current = await launch(port)
    },
    close,
  }
}

/** True once it answers; false if it ended, or did not answer in time. */
async function ready(kind: ServerKind, port: number, child: Child): Promise<boolean> {
  const deadline = systemClock.now() + READY_MS
  while (child.running() && systemClock.now() < deadline) {
    // The second look: what answered may be a stranger who had the port before, while ours was still failing.
    if ((await answers(kind, port)) && child.running()) return true
    await sleep(systemClock, 10)
  }
  return false
}

function answers(kind: ServerKind, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection({ host: HOST, port, timeout: 500 })
    const done = (answer: boolean) => (): void => {
      socket.destroy()
      resolve(answer)
    }
    let text = ''
    socket.on('connect', () => socket.write(kind.greeting.send))
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      // "-LOADING ..." is a line too, but not the one that is waited for.
      if (text.includes(kind.greeting.expect)) done(true)()
      else if (text.includes('\n')) done(false)()
    })
    for (const event of ['error', 'close', 'timeout'] as const) socket.on(event, done(false))
  })
}

/** A port of the loopback that nobody listens on at the moment. */
export function freePort(): Promise<number> {
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

/** Whom to run as: `nobody` for root, otherwise whoever we are. */
async function nobody(): Promise<{ uid: number; gid: number } | null> {
  if (process.getuid?.() !== 0) return null
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find(entry => entry.startsWith('nobody:'))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) }
}

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
