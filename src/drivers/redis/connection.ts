/** The connection for commands: of a client that the user passed, or of an address that we open at the first call. */
import { createHash } from 'node:crypto'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { createConnection, madeAnew } from '../shared/connection.ts'
import type { Supply } from '../shared/connection.ts'
import type { Ear } from '../shared/subscription.ts'
import { redisAddress } from './address.ts'
import type { OpenOptions } from './address.ts'
import { dial, linkOf } from './client.ts'
import type { RedisLike } from './client.ts'
import type { Channel, Link } from './link.ts'
import { failure, isMissingScript, isMoved } from './failures.ts'

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
  /** True: one script call may name keys of one slot only. */
  readonly cluster: boolean
  /**
   * One atomic step on the server. In a cluster all `keys` must be of one slot. @throws StoreUnavailableError |
   * ConfigurationError
   */
  run<T>(call: ScriptCall<T>, io: Io): Promise<T>
  /** Resolves once a call would be sent at once. @throws StoreUnavailableError */
  ready(io: Io): Promise<void>
  /** What a call is told that was not answered in time. */
  late(timeoutMs: number): StoreUnavailableError
  /** A command without keys, such as INFO; to any server of a cluster. */
  command(name: string, args: readonly string[], io: Io): Promise<unknown>
  /** Names that match, over all masters; a name may come more than once. */
  scan(pattern: string, io: Io): AsyncIterable<readonly string[]>
  /** Subscribes, by a connection of its own. */
  hear(channel: Channel, timeoutMs: number): Promise<Ear>
  close(): Promise<void>
}

export interface ScriptCall<T> {
  readonly script: RedisScript
  readonly keys: readonly string[]
  readonly args: readonly string[]
  readonly read: (answer: string) => T
}

const SCAN_COUNT = '500'

export function script(source: string): RedisScript {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** @throws ConfigurationError  the address, or what was passed as a client, is none */
export function connect(client: RedisLike | string, options: OpenOptions = {}): RedisConnection {
  const { supply, cluster, keyPrefix } = typeof client === 'string' ? ofAddress(client, options) : ofUser(client)
  const { where } = supply
  const connection = createConnection(supply, {
    failure: (cause, { sent }) => failure(cause, where, { sent }),
    moved: isMoved,
  })

  return {
    where,
    keyPrefix,
    cluster,
    ready: io => connection.use(async () => undefined, io),
    late: connection.late,
    run: (call, io) => connection.use(link => evaluate(link, call), io),
    // In small letters: ioredis 5 knows SUBSCRIBE by that name only, and breaks without a catch.
    command: (name, args, io) => connection.use(link => link.send(name.toLowerCase(), args, undefined), io),
    async *scan(pattern, io) {
      for (const master of await connection.use(link => link.masters(), io)) {
        let cursor = '0'
        do {
          const args = [cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT]
          const page = await connection.use(() => master.send('scan', args, undefined), io)
          if (!Array.isArray(page) || !Array.isArray(page[1]))
            throw new StoreUnavailableError(`${where} gave an answer to SCAN that is no page of names.`, {
              ambiguous: false,
            })
          cursor = String(page[0])
          yield page[1].map(String)
        } while (cursor !== '0')
      }
    },
    hear: (channel, timeoutMs) => connection.use(link => link.hear(channel, timeoutMs), { timeoutMs }),
    close: async () => connection.close(),
  }
}

function evaluate<T>(link: Link, { script: { sha, source }, keys, args, read }: ScriptCall<T>): Promise<T> {
  const [key] = keys
  const rest = [keys.length === 1 ? '1' : String(keys.length), ...keys, ...args]
  return link.send('evalsha', [sha, ...rest], key).then(
    reply => read(plain(reply)),
    async (cause: unknown) => {
      // The server was restarted, or told to forget its scripts: this once, send it whole.
      if (!isMissingScript(cause)) throw cause
      return read(plain(await link.send('eval', [source, ...rest], key)))
    },
  )
}

interface Source {
  readonly supply: Supply<Link>
  readonly cluster: boolean
  readonly keyPrefix: string
}

function ofAddress(text: string, options: OpenOptions): Source {
  const address = redisAddress(text)
  const supply = madeAnew<Link>({
    where: address.shown,
    open: timeoutMs => dial(address, options, timeoutMs),
    ready: link => link.state() === 'ready',
    end: link => link.close(),
  })
  return { supply, cluster: address.kind === 'cluster', keyPrefix: '' }
}

/** Asked first whether it is ready, so that nothing waits in its offline queue; never closed. */
function ofUser(client: RedisLike): Source {
  const link = linkOf(client)
  const where = 'the Redis client that was passed'
  let opening: Promise<Link> | undefined
  const supply: Supply<Link> = {
    where,
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
    drop: () => {},
    close: () => {},
  }
  return { supply, cluster: link.cluster, keyPrefix: link.keyPrefix }
}

/** Scripts answer with one text, which every client and protocol gives the same, but for those set to give bytes. */
function plain(reply: unknown): string {
  if (typeof reply === 'string') return reply
  if (Buffer.isBuffer(reply)) return reply.toString()
  throw new StoreUnavailableError(`A script answered with ${reply === null ? 'null' : typeof reply} instead of text.`)
}
