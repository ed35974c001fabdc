/** `scripts/stores` with real servers, in a directory and on ports of its own. */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'holdfast-stores-test-'))
/** Below what scripts/test.mjs gives to the stores of all other tests. */
const base = 16_000 + 200 * (process.pid % 18)

function stores(words: readonly string[], variables: NodeJS.ProcessEnv = {}): Promise<Run> {
  const env = { ...process.env, HOLDFAST_STORES_DIR: home, HOLDFAST_STORES_BASE: `${base}`, ...variables }
  return new Promise(resolve => {
    const child = execFile(join(root, 'scripts', 'stores'), words, { env }, (_error, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    )
  })
}

/** The store's answer to a line; undefined if none comes within half a second. */
function ask(port: number, line: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const settle = (answer?: string): void => {
      socket.destroy()
      resolve(answer)
    }
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write(`${line}\r\n`))
    socket.setTimeout(500, () => settle())
    socket.once('error', () => settle())
    socket.once('data', data => settle(data.toString().trim()))
  })
}

/** What `status` says of a store. */
async function state(name: string): Promise<string | undefined> {
  return new RegExp(`^${name} +(\\w+)`, 'm').exec((await stores(['status'])).out)?.[1]
}

/** Processes that work in the directory of the stores. */
function servers(): readonly string[] {
  return readdirSync('/proc').filter(pid => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(home)
    } catch {
      return false // ended meanwhile, or a zombie
    }
  })
}

/** Why tests of a store cannot run here. The script starts processes on Linux only. */
function obstacle(...programs: readonly string[]): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter)
  const missing = programs.find(program => !directories.some(directory => existsSync(join(directory, program))))
  if (process.platform !== 'linux') return 'stores are processes on Linux only'
  return missing === undefined ? undefined : `${missing} is not installed: scripts/stores install`
}

afterAll(async () => {
  await stores(['down'])
  rmSync(home, { recursive: true, force: true })
})

const CASES = [
  {
    name: 'redis',
    program: 'redis-server',
    port: base + 1,
    question: 'PING',
    answer: '+PONG',
    variable: 'HOLDFAST_TEST_REDIS_URL=redis://',
  },
  {
    name: 'memcached',
    program: 'memcached',
    port: base + 81,
    question: 'version',
    answer: 'VERSION',
    variable: 'HOLDFAST_TEST_MEMCACHED_URL=memcached://',
  },
]

for (const { name, program, port, question, answer, variable } of CASES) {
  test(`${name} can be started, paused, killed, restarted and removed`, async context => {
    const reason = obstacle(program)
    if (reason !== undefined) return context.skip(reason)

    expect(await stores(['up', name])).toMatchObject({ code: 0, err: '' })
    expect(await ask(port, question)).toContain(answer)
    expect((await stores(['env'])).out).toContain(`${variable}127.0.0.1:${port}`)

    expect(await stores(['stop', name])).toMatchObject({ code: 0 })
    expect(await ask(port, question)).toBeUndefined()
    expect(await state(name)).toBe('paused')
    expect((await stores(['env'])).out).toContain(variable)

    expect(await stores(['cont', name])).toMatchObject({ code: 0 })
    expect(await ask(port, question)).toContain(answer)

    expect(await stores(['kill9', name])).toMatchObject({ code: 0 })
    expect(await ask(port, question)).toBeUndefined()
    expect(await state(name)).toBe('down')
    expect((await stores(['env'])).out).not.toContain(variable)
    expect(await stores(['stop', name])).toMatchObject({ code: 1, err: `${name} is down\n` })

    expect(await stores(['restart', name])).toMatchObject({ code: 0, err: '' })
    expect(await ask(port, question)).toContain(answer)
    expect(await state(name)).toBe('up')

    expect(await stores(['down', name])).toMatchObject({ code: 0, err: '' })
    expect(await ask(port, question)).toBeUndefined()
    expect(servers()).toEqual([])
    expect(existsSync(join(home, name))).toBe(false)
  })
}

test('a paused server is ended too', async context => {
  const reason = obstacle('redis-server')
  if (reason !== undefined) return context.skip(reason)
  await stores(['up', 'redis'])
  await stores(['stop', 'redis'])
  expect(await stores(['down', 'redis'])).toMatchObject({ code: 0, err: '' })
  expect(servers()).toEqual([])
})

test('of two killed servers only the one with a file comes back with what it had', async context => {
  const reason = obstacle('redis-server')
  if (reason !== undefined) return context.skip(reason)
  await stores(['up', 'redis', 'redis-aof'])
  for (const port of [base + 1, base + 2]) expect(await ask(port, 'SET key value')).toBe('+OK')
  for (const name of ['redis', 'redis-aof']) await stores(['kill9', name])
  for (const name of ['redis', 'redis-aof']) await stores(['restart', name])
  expect(await ask(base + 1, 'GET key')).toBe('$-1')
  expect(await ask(base + 2, 'GET key')).toContain('value')
  await stores(['down'])
})

test('a group is known by its name, and keeps its address while a member is down', async context => {
  const reason = obstacle('redis-server')
  if (reason !== undefined) return context.skip(reason)
  expect(await stores(['up', 'redlock'])).toMatchObject({ code: 0, err: '' })
  await stores(['kill9', 'redlock2'])
  const { out } = await stores(['env'])
  const addresses = [11, 12, 13, 14, 15].map(offset => `127.0.0.1:${base + offset}`)
  expect(out).toContain(`HOLDFAST_TEST_REDLOCK_URL=redlock://${addresses.join(',')}\n`)
  expect(out).toContain(`HOLDFAST_TEST_REDLOCK_URLS=${addresses.map(address => `redis://${address}`).join(',')}\n`)
  expect(out).not.toContain('HOLDFAST_TEST_REDLOCK2_URL')
  await stores(['down', 'redlock'])
  expect(servers()).toEqual([])
})

test('no server runs as root', async context => {
  const reason = process.getuid?.() === 0 ? obstacle('redis-server') : 'this is not root'
  if (reason !== undefined) return context.skip(reason)
  await stores(['up', 'redis'])
  expect(servers().map(pid => statSync(`/proc/${pid}`).uid)).not.toContain(0)
  await stores(['down'])
})

test('a number that has gone to another process is not taken for the server', async context => {
  const reason = obstacle()
  if (reason !== undefined) return context.skip(reason)
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  try {
    mkdirSync(join(home, 'memcached', 'data'), { recursive: true })
    writeFileSync(join(home, 'memcached', 'pid'), `${stranger.pid} 1\n`)
    expect(await state('memcached')).toBe('down')
    expect(await stores(['kill9', 'memcached'])).toMatchObject({ code: 1 })
    expect(await stores(['down', 'memcached'])).toMatchObject({ code: 0 })
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
  } finally {
    stranger.kill('SIGKILL')
  }
})

test('an unknown name is refused before anything is started', async () => {
  const { code, out, err } = await stores(['up', 'redis', 'postgers'])
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toMatch(/unknown store: postgers\nknown are: redis .*postgres /)
  expect(err).toMatch(/groups: .*redlock/)
  expect(servers()).toEqual([])
})

test('anything but a command is answered with the usage', async () => {
  for (const words of [[], ['begin'], ['stop'], ['stop', 'redis', 'valkey']]) {
    const { code, err } = await stores(words)
    expect(code).toBe(2)
    expect(err).toContain('scripts/stores up [NAME...]')
  }
})

test('what cannot run is listed with the reason, and is a failure if it was asked for', async () => {
  const nowhere = { MONGOD_BINARY: '/nowhere/mongod' }
  const { code, out } = await stores(['up', 'mongodb'], nowhere)
  expect(out).toMatch(/^not run: mongodb: .*(MONGOD_BINARY|Linux)/)
  expect(code).toBe(1)
})

test(
  'all stores that this machine can have come up together, answer, and leave no process',
  { timeout: 300_000 },
  async () => {
    const up = await stores(['up'])
    expect(up.code, up.err).toBe(0)
    const notRun = [...`${up.out}\n${up.err}`.matchAll(/^not run: ([^:]+): (.*)$/gm)]
    for (const [line] of notRun) console.log(line)
    const status = (await stores(['status'])).out.trim().split('\n')
    const down = status.filter(line => !/^\S+ +up /.test(line)).map(line => line.split(' ')[0] ?? line)
    expect(
      down.filter(name => !notRun.some(([, missing]) => name.startsWith(missing ?? '-'))),
      'neither up nor listed as not run',
    ).toEqual([])
    // What CI has installed by name must run there.
    const insisted = (process.env['HOLDFAST_TEST_INSISTED'] ?? '').split(',').filter(name => name !== '')
    expect(insisted.filter(name => notRun.some(([, missing]) => missing === name))).toEqual([])
    expect(status.length - down.length).toBeGreaterThan(0)
    await stores(['down'])
    expect(servers()).toEqual([])
  },
)
