/**
 * ZooKeeper's protocol over a socket of our own: requests in a row, their answers in the same order, and between them
 * what it tells of watched nodes.
 *
 * A connection has a session, a new one or one that it takes up again. It says something at every beat, so that the
 * leader has heard of the session lately; and if the server is silent for too long it ends, for a server that is
 * stopped looks like one that has nothing to say. An answer that is none ends it as well: what follows could be taken
 * for the answer to another.
 */
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { systemClock } from '../../base/clock.ts'
import type { Timer } from '../../base/clock.ts'
import { endingLate } from '../shared/connection.ts'
import type { Host } from './address.ts'
import { Refusal, SessionExpired } from './failures.ts'
import { reader, writer } from './jute.ts'
import type { Reader, Writer } from './jute.ts'
import { OF_NODES, OPS } from './statements.ts'
import type { Request } from './statements.ts'

export interface Session {
  /** As `ephemeralOwner` has it. */
  readonly id: string
  readonly password: Buffer
  /** It ends when the leader has not heard of it for so long. */
  readonly ms: number
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T; readonly zxid: number }
  | { readonly ok: false; readonly code: number; readonly zxid: number }

export interface Link {
  readonly session: Session
  readonly ready: boolean
  /** @throws Refusal  any other answer of the server */
  ask<T>(request: Request<T>): Promise<Outcome<T>>
  /** `told` is called once: the node has changed or gone, or the connection has ended. Gives how to stop that. */
  watch(path: string, told: () => void): () => void
  /** Ends the session too. */
  endSession(): Promise<unknown>
  end(): void
}

export interface Greeting {
  /** Taken up again; null: a new one. */
  readonly session: Session | null
  readonly ms: number
  readonly login: string | null
  readonly beatMs: number
}

interface Asked {
  readonly xid: number
  answer(from: Reader, head: { readonly zxid: number; readonly code: number }): void
  fail(cause: Error): void
}

const PASSWORD_BYTES = 16
/** No answer to us is longer: what says so is something else's. */
const MOST_BYTES = 64 * 1024 * 1024
const MOST_XID = 2 ** 31 - 1
const XID = { watched: -1, ping: -2, auth: -4 } as const
/** A server that is silent for so long is given up; another member may answer before the session has ended. */
const SILENCE = { part: 1 / 3, leastMs: 1_000, mostMs: 5_000 } as const

/** @throws SessionExpired | Refusal  wrong login */
export async function dial({ host, port }: Host, greeting: Greeting, timeoutMs: number): Promise<Link> {
  const socket = createConnection({ host, port, noDelay: true, keepAlive: true }).unref()
  const { link, greeted } = talk(socket, greeting)
  await endingLate(() => greeted, { timeoutMs, end: () => link.end() })
  return link
}

function talk(socket: Socket, greeting: Greeting) {
  const asked: Asked[] = []
  const watched = new Map<string, Set<() => void>>()
  let rest: Buffer = Buffer.alloc(0)
  let failed: Error | null = null
  let session: Session | null = null
  let lastXid = 0
  let sentAt = systemClock.now()
  let beat: Timer | null = null
  let toldUnanswered: Timer | null = null
  let welcome = (): void => {}
  let refuse: (cause: Error) => void = () => {}
  const greeted = new Promise<void>((resolve, reject) => {
    welcome = resolve
    refuse = reject
  })
  greeted.catch(() => {})

  function fail(cause: Error): void {
    if (failed !== null) return
    failed = cause
    socket.destroy()
    beat?.cancel()
    toldUnanswered?.cancel()
    refuse(cause)
    for (const each of asked.splice(0)) each.fail(cause)
    const told = [...watched.values()].flatMap(each => [...each])
    watched.clear()
    for (const tell of told) tell()
  }

  function send(write: (to: Writer) => void): void {
    const to = writer()
    write(to)
    sentAt = systemClock.now()
    // What is said in one turn goes in one piece.
    socket.cork()
    socket.write(to.frame())
    process.nextTick(() => socket.uncork())
  }

  function sendBare(xid: number, op: number): void {
    send(to => {
      to.int(xid)
      to.int(op)
    })
  }

  function read(): void {
    while (rest.length >= 4 && failed === null) {
      const bytes = rest.readInt32BE(0)
      if (bytes < 0 || bytes > MOST_BYTES) throw new RangeError(`it has a part of ${bytes} bytes`)
      if (rest.length < bytes + 4) return
      const from = reader(rest.subarray(4, bytes + 4))
      rest = rest.subarray(bytes + 4)
      if (session === null) greet(from)
      else hear(from, session)
    }
  }

  function greet(from: Reader): void {
    from.int()
    const ms = from.int()
    const id = from.long().toString()
    const password = Buffer.from(from.bytes())
    if (ms <= 0) return fail(new SessionExpired('the session has ended'))
    session = { id, password, ms }
    if (greeting.login === null) welcome()
    beats(ms)
  }

  function hear(from: Reader, { ms }: Session): void {
    const xid = from.int()
    const zxid = Number(from.long())
    const code = from.int()
    toldUnanswered?.cancel()
    toldUnanswered = null
    if (xid === XID.watched) return hearOfNode(from)
    if (xid === XID.auth) return code === 0 ? welcome() : fail(new Refusal(code))
    if (xid !== XID.ping) {
      const next = asked.shift()
      if (next?.xid !== xid) throw new RangeError('it answers what nobody has asked')
      next.answer(from, { zxid, code })
    }
    if (asked.length > 0) expectAnswer(ms)
  }

  function hearOfNode(from: Reader): void {
    from.int()
    from.int()
    const path = from.text()
    const told = watched.get(path)
    watched.delete(path)
    for (const tell of told ?? []) tell()
  }

  /** From the first request on that is without an answer. */
  function expectAnswer(ms: number): void {
    if (toldUnanswered !== null) return
    const silenceMs = Math.max(SILENCE.leastMs, Math.min(SILENCE.mostMs, ms * SILENCE.part))
    const dead = (): void => fail(new Error(`it has not answered for ${Math.round(silenceMs)} ms`))
    // A turn later: after this process has stood still, answers are there that nobody has read yet.
    const silent = (): void => void (toldUnanswered = systemClock.after(0, dead, { idle: true }))
    toldUnanswered = systemClock.after(silenceMs, silent, { idle: true })
  }

  function beats(ms: number): void {
    const everyMs = Math.min(greeting.beatMs, ms / 3)
    const next = (): void => {
      const restMs = sentAt + everyMs - systemClock.now()
      if (restMs <= 0) {
        sendBare(XID.ping, OPS.ping)
        expectAnswer(ms)
      }
      beat = systemClock.after(restMs <= 0 ? everyMs : restMs, next, { idle: true })
    }
    next()
  }

  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    try {
      read()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      fail(new Error(`it answered what no ZooKeeper does (${why}): is it the right host and port?`))
    }
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error(session === null ? `it hung up at once${AT_ONCE}` : 'the connection ended')))

  send(to => {
    to.int(0)
    to.long(0n)
    to.int(Math.ceil(greeting.ms))
    to.long(BigInt(greeting.session?.id ?? 0))
    to.bytes(greeting.session?.password ?? Buffer.alloc(PASSWORD_BYTES))
    to.flag(false)
  })
  const { login } = greeting
  if (login !== null)
    send(to => {
      to.int(XID.auth)
      to.int(OPS.auth)
      to.int(0)
      to.text('digest')
      to.bytes(Buffer.from(login))
    })

  function request<T>({ op, write, read: readValue }: Request<T>): Promise<Outcome<T>> {
    if (failed !== null) return Promise.reject(failed)
    return new Promise((resolve, reject) => {
      const xid = (lastXid = (lastXid % MOST_XID) + 1)
      asked.push({
        xid,
        fail: reject,
        answer(from, { zxid, code }) {
          if (code !== 0 && !OF_NODES.has(code)) return reject(new Refusal(code))
          try {
            resolve(code === 0 ? { ok: true, value: readValue(from), zxid } : { ok: false, code, zxid })
          } catch (cause) {
            reject(cause)
            if (!(cause instanceof Refusal)) throw cause
          }
        },
      })
      send(to => {
        to.int(xid)
        to.int(op)
        write(to)
      })
      expectAnswer(session?.ms ?? 0)
    })
  }

  const link: Link = {
    get session() {
      return session ?? NO_SESSION
    },
    get ready() {
      return failed === null
    },
    ask: request,
    watch(path, told) {
      if (failed !== null) {
        told()
        return () => {}
      }
      const all = watched.get(path) ?? new Set()
      watched.set(path, all)
      all.add(told)
      return () => {
        all.delete(told)
        if (all.size === 0 && watched.get(path) === all) watched.delete(path)
      }
    },
    endSession: () => request({ op: OPS.close, write: () => {}, read: () => {} }),
    end: () => fail(new Error('the connection was ended')),
  }
  return { link, greeted }
}

const NO_SESSION: Session = { id: '', password: Buffer.alloc(PASSWORD_BYTES), ms: 0 }
const AT_ONCE =
  ': it is no ZooKeeper, it is without a leader, it wants TLS, or it has too many connections of this host (maxClientCnxns)'
