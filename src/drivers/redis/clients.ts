/**
 * One command connection, whoever's: of a client that the user passed, or of an address that we open at the first call.
 *
 * Every call has a deadline of ours, since clients hang on a server that is stopped. A client of the user's is asked
 * first whether it is ready, so that nothing waits in its offline queue, and it is never closed. A client of ours lives
 * as long as its connection: when that ends, or has been silent for too long under load, the next call makes a new one.
 */
import { createHash } from 'node:crypto'
import { systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { dial, parseAddress } from './address.ts'
import type { OpenOptions } from './address.ts'
import { within } from './deadline.ts'
import type { Deadline } from './deadline.ts'
import { linkOf } from './links.ts'
import type { Link, RedisLike, Twin } from './links.ts'
import { failure, isMissingScript, isMoved } from './replies.ts'

/** A Lua script and its name on the server. */
export interface RedisScript {
  readonly source: string
  readonly sha: string
}

export interface RedisConnection {
  /** For messages: the address without its password. */
  readonly where: string
  /** May differ from '' only for a client of the user's. */
  readonly keyPrefix: string
  /**
   * True: one script call may name keys of one slot only. Known once the first call was answered; always for an
   * address.
   */
  readonly cluster: boolean
  /**
   * One atomic step on the server. In a cluster all `keys` must be of one slot. @throws StoreUnavailableError |
   * ConfigurationError
   */
  run(script: RedisScript, keys: readonly string[], args: readonly string[], io: Io): Promise<string>
  /** A command without keys, such as INFO; to any server of a cluster. */
  command(name: string, args: readonly string[], io: Io): Promise<unknown>
  /** Names that match, over all masters; a name may come more than once. */
  scan(pattern: string, io: Io): AsyncIterable<readonly string[]>
  /** A connection of its own for a subscriber, owned by the caller. */
  twin(timeoutMs: number): Promise<Twin>
  close(): Promise<void>
}

/**
 * A reply that came while the newest calls are still unanswered says that the server lives; silence for so long, that
 * it does not.
 */
const SILENCE_MS = 1_000
const SCAN_COUNT = '500'

export function script(source: string): RedisScript {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** @throws ConfigurationError  the address, or what was passed as a client, is none */
export function connect(client: RedisLike | string, options: OpenOptions = {}): RedisConnection {
  const supply = typeof client === 'string' ? ofAddress(client, options) : ofUser(client)
  const { where } = supply
  const shut = (): StoreUnavailableError =>
    new StoreUnavailableError(`The connection to ${where} was closed by close().`, { ambiguous: false })
  let closed = false

  /** A link that is ready, or a promise of one. */
  function ready(): Link | Promise<Link> {
    if (closed) throw shut()
    return supply.link()
  }

  async function opened(io: Deadline): Promise<Link> {
    const link = ready()
    if (!(link instanceof Promise)) return link
    try {
      return await within(
        io,
        link,
        () =>
          new StoreUnavailableError(`${where} could not be reached within ${Math.round(io.timeoutMs)} ms.`, {
            ambiguous: false,
          }),
      )
    } catch (cause) {
      throw failure(cause, where, { sent: false })
    }
  }

  /** Sends at once if the link is ready. Rejects as the client does, but for what came too late. */
  function send(
    link: Link,
    command: string,
    args: readonly string[],
    key: string | undefined,
    io: Io,
  ): Promise<unknown> {
    const sentAt = systemClock.now()
    const late = (): StoreUnavailableError => {
      supply.silent(sentAt)
      return new StoreUnavailableError(
        `${where} did not answer within ${Math.round(io.timeoutMs)} ms; the command may have been carried out.`,
      )
    }
    return within(io, link.send(command, args, key), late)
  }

  async function recover(
    link: Link,
    what: RedisScript,
    keys: readonly string[],
    rest: readonly string[],
    io: Io,
    cause: unknown,
  ): Promise<string> {
    if (isMoved(cause)) supply.moved()
    // The server was restarted, or told to forget its scripts: this once, send it whole.
    if (!isMissingScript(cause)) throw failure(cause, where, { sent: true })
    try {
      return plain(await send(link, 'eval', [what.source, ...rest], keys[0], io))
    } catch (again) {
      if (isMoved(again)) supply.moved()
      throw failure(again, where, { sent: true })
    }
  }

  return {
    where,
    keyPrefix: supply.keyPrefix,
    get cluster() {
      return supply.cluster()
    },
    async run(what, keys, args, io) {
      const rest = [String(keys.length), ...keys, ...args]
      let to = ready()
      let left = io
      if (to instanceof Promise) {
        const startedAt = systemClock.now()
        to = await opened(io)
        left = { ...io, timeoutMs: Math.max(1, io.timeoutMs - (systemClock.now() - startedAt)) }
      }
      try {
        const reply = await send(to, 'evalsha', [what.sha, ...rest], keys[0], left)
        supply.heard()
        return plain(reply)
      } catch (cause) {
        return recover(to, what, keys, rest, left, cause)
      }
    },
    async command(name, args, io) {
      const link = await opened(io)
      try {
        return await send(link, name, args, undefined, io)
      } catch (cause) {
        throw failure(cause, where, { sent: true })
      }
    },
    async *scan(pattern, io) {
      const link = await opened(io)
      for (const master of await link.masters()) {
        let cursor = '0'
        do {
          let page: unknown
          try {
            page = await send(master, 'scan', [cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT], undefined, io)
          } catch (cause) {
            throw failure(cause, where, { sent: true })
          }
          if (!Array.isArray(page) || !Array.isArray(page[1]))
            throw new StoreUnavailableError(`${where} gave an answer to SCAN that is no page of names.`, {
              ambiguous: false,
            })
          cursor = String(page[0])
          yield page[1].map(String)
        } while (cursor !== '0')
      }
    },
    async twin(timeoutMs) {
      const link = await opened({ timeoutMs, idle: true })
      try {
        return await link.twin(timeoutMs)
      } catch (cause) {
        throw failure(cause, where, { sent: false })
      }
    },
    async close() {
      closed = true
      supply.close()
    },
  }
}

/** Where links come from. */
interface Supply {
  readonly where: string
  readonly keyPrefix: string
  cluster(): boolean
  link(): Link | Promise<Link>
  /** The server answered a script. */
  heard(): void
  /** A call that was sent at `sentAt` was not answered in time. */
  silent(sentAt: number): void
  /** The server says that another one is in charge now. */
  moved(): void
  close(): void
}

function ofUser(client: RedisLike): Supply {
  const link = linkOf(client)
  const where = 'the Redis client that was passed'
  let opening: Promise<Link> | undefined
  return {
    where,
    keyPrefix: link.keyPrefix,
    cluster: () => link.cluster,
    link() {
      const state = link.state()
      if (state === 'ready') return link
      if (state === 'down')
        throw new StoreUnavailableError(`${where} is not connected. If it never was, call its connect() first.`, {
          ambiguous: false,
        })
      opening ??= link
        .opened()
        .then(() => link)
        .finally(() => (opening = undefined))
      return opening
    },
    heard: () => {},
    silent: () => {},
    moved: () => {},
    close: () => {},
  }
}

function ofAddress(text: string, options: OpenOptions): Supply {
  const address = parseAddress(text)
  let current: Link | undefined
  let opening: Promise<Link> | undefined
  let silentSince: number | undefined

  function drop(): void {
    current?.close()
    current = undefined
    silentSince = undefined
  }

  async function open(): Promise<Link> {
    const { link, connect } = await dial(address, options)
    const timer = systemClock.after(CONNECT_MS, () => link.close(), { idle: true })
    try {
      await connect()
    } catch (cause) {
      link.close()
      throw cause
    } finally {
      timer.cancel()
    }
    current = link
    return link
  }

  return {
    where: address.shown,
    keyPrefix: '',
    cluster: () => address.kind === 'cluster',
    link() {
      if (current?.state() === 'ready') return current
      if (opening === undefined) {
        drop()
        opening = open().finally(() => (opening = undefined))
        opening.catch(() => {})
      }
      return opening
    },
    heard: () => (silentSince = undefined),
    silent(sentAt) {
      silentSince ??= sentAt
      if (systemClock.now() - silentSince >= SILENCE_MS) drop()
    },
    moved: drop,
    close() {
      drop()
      void opening?.then(
        link => link.close(),
        () => {},
      )
    },
  }
}

const CONNECT_MS = 5_000

/** Scripts answer with one text, which every client and protocol gives the same, but for those set to give bytes. */
function plain(reply: unknown): string {
  if (typeof reply === 'string') return reply
  if (Buffer.isBuffer(reply)) return reply.toString()
  throw new StoreUnavailableError(`A script answered with ${reply === null ? 'null' : typeof reply} instead of text.`)
}
