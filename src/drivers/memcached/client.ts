/**
 * memcached's meta commands over a socket of our own: the six that there are need no package.
 *
 * Answers come in the order of the commands. So one that is none (a proxy's page, half a value) ends the connection:
 * what follows could be taken for the answer to another.
 */
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { ConfigurationError } from '../../base/errors.ts'
import { endingLate } from '../shared/connection.ts'

export interface Place {
  readonly host: string
  readonly port: number
}

export interface Answer {
  readonly status: Status
  /** What follows the letter of a flag, by letter. */
  readonly flags: ReadonlyMap<string, string>
  /** The value; empty where there is none. */
  readonly value: string
}

/** VA: a value. HD: done. EN, NF: not there. EX: there, but changed since. NS: not stored. MN: nothing was asked. */
type Status = 'VA' | 'HD' | 'EN' | 'NF' | 'EX' | 'NS' | 'MN'

export interface Link {
  /** Sends the commands together, in this order. */
  ask(commands: readonly string[]): Promise<readonly Answer[]>
  readonly ready: boolean
  end(): void
}

interface Asked {
  resolve(answer: Answer): void
  reject(cause: Error): void
}

const STATUS = /^(VA|HD|EN|NF|EX|NS|MN)(?: |$)/
const LINE_BYTES = 2_048
const SHOWN_CHARACTERS = 80

/** Nothing was asked: the answer says that there is a memcached, and one that is new enough. */
const NOTHING = 'mn\r\n'

export function get(name: string, flags: string): string {
  return `mg ${name} ${flags}\r\n`
}

export function set(name: string, value: string, flags: string): string {
  return `ms ${name} ${Buffer.byteLength(value)} ${flags}\r\n${value}\r\n`
}

export function remove(name: string, flags: string): string {
  return `md ${name} ${flags}\r\n`
}

/** @throws ConfigurationError  a memcached that is too old, or wants a login */
export async function dial({ host, port }: Place, timeoutMs: number): Promise<Link> {
  const socket = createConnection({ host, port, noDelay: true, keepAlive: true }).unref()
  const link = talk(socket)
  await endingLate(() => link.ask([NOTHING]), { timeoutMs, end: () => link.end() })
  return link
}

function talk(socket: Socket): Link {
  const asked: Asked[] = []
  let rest: Buffer = Buffer.alloc(0)
  let failed: Error | null = null

  function fail(cause: Error): void {
    failed ??= cause
    socket.destroy()
    for (const each of asked.splice(0)) each.reject(failed)
  }

  function read(): void {
    for (;;) {
      const found = answerIn(rest)
      if (found === null) return
      rest = rest.subarray(found.bytes)
      const next = asked.shift()
      if (next === undefined) throw new Error('it answered what nobody had asked')
      next.resolve(found.answer)
    }
  }

  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    try {
      read()
    } catch (cause) {
      fail(cause instanceof Error ? cause : new Error(String(cause)))
    }
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the connection ended')))

  return {
    get ready() {
      return failed === null
    },
    ask(commands) {
      if (failed !== null) return Promise.reject(failed)
      const answers = commands.map(() => new Promise<Answer>((resolve, reject) => asked.push({ resolve, reject })))
      socket.write(commands.join(''))
      return Promise.all(answers)
    },
    end: () => fail(new Error('the connection was ended')),
  }
}

/** The first answer in what has come, and its length; null: it is not all there. @throws  it is none */
function answerIn(bytes: Buffer): { readonly answer: Answer; readonly bytes: number } | null {
  const end = bytes.indexOf('\r\n')
  const line = bytes.toString('latin1', 0, end < 0 ? Math.min(bytes.length, LINE_BYTES) : end)
  if (end < 0 && bytes.length < LINE_BYTES) return null
  const status = STATUS.exec(line)?.[1]
  if (!isStatus(status) || end < 0) throw noAnswer(line)
  const [size, flags] = status === 'VA' ? [sizeOf(line), line.split(' ').slice(2)] : [null, line.split(' ').slice(1)]
  const start = end + 2
  const stop = size === null ? start : start + size + 2
  if (bytes.length < stop) return null
  if (size !== null && bytes.toString('latin1', stop - 2, stop) !== '\r\n') throw noAnswer(line)
  return {
    answer: {
      status,
      flags: new Map(flags.map(flag => [flag.slice(0, 1), flag.slice(1)])),
      value: size === null ? '' : bytes.toString('utf8', start, stop - 2),
    },
    bytes: stop,
  }
}

function isStatus(status: string | undefined): status is Status {
  return status !== undefined
}

function sizeOf(line: string): number {
  const size = /^VA (\d{1,9})(?: |$)/.exec(line)?.[1]
  if (size === undefined) throw noAnswer(line)
  return Number(size)
}

function noAnswer(line: string): Error {
  const shown = JSON.stringify(line.slice(0, SHOWN_CHARACTERS))
  if (line === 'ERROR')
    return new ConfigurationError('it does not know the meta commands: memcached 1.6 or newer is needed.')
  if (/^CLIENT_ERROR unauthenticated/i.test(line))
    return new ConfigurationError('it wants a login, which this driver has not.')
  if (/^(SERVER_|CLIENT_)?ERROR /.test(line)) return new Error(`it answered ${shown}`)
  return new Error(`it answered ${shown}, which no memcached does: is it the right host and port?`)
}
