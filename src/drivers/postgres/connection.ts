/** The connection for commands, on which pushes are heard too: one backend of the server a process. */
import type { Io } from '../../store/contract.ts'
import { untilNotOvertaken } from '../../store/overtaken.ts'
import { createConnection, madeAnew } from '../shared/connection.ts'
import type { Connection } from '../shared/connection.ts'
import type { Ear } from '../shared/subscription.ts'
import type { Source } from './client.ts'
import { failure, isMoved, isOvertaken } from './failures.ts'
import { openLink, refuseOtherLayouts } from './greeting.ts'
import type { Call, Channel, Link } from './link.ts'

export interface PostgresConnection {
  /** For messages: the address without its password. */
  readonly where: string
  /**
   * One statement of ours, which is one transaction; again where it had no effect.
   * @throws StoreUnavailableError | ConfigurationError
   */
  ask<T>(step: Step<T>, io: Io): Promise<T>
  /** Resolves once a call would be sent at once: true if it can be listened to. @throws StoreUnavailableError */
  ready(io: Io): Promise<boolean>
  hear(channel: Channel, timeoutMs: number): Promise<Ear>
  close(): void
}

export interface Step<T> {
  /** For messages: the lock, or what else is asked for. */
  readonly of: string
  call(link: Link): Call
  read(rows: readonly string[]): T
}

export function connectionTo(source: Source, schema: string): PostgresConnection {
  const { where } = source
  const supply = madeAnew<Link>({
    where,
    open: timeoutMs => openLink(source, timeoutMs, link => refuseOtherLayouts(link, { where, schema, timeoutMs })),
    ready: link => link.ready,
    end: link => link.end(),
  })
  const connection: Connection<Link> = createConnection(supply, {
    failure: (cause, { sent }) => failure(cause, { where, schema, sent }),
    moved: isMoved,
  })

  return {
    where,
    ask: ({ of, call, read }, io) =>
      untilNotOvertaken(
        async left => {
          const { timeoutMs, ...rest } = left()
          try {
            const send = (link: Link): Promise<readonly string[]> => link.ask(call(link), timeoutMs)
            return { answer: read(await connection.use(send, { timeoutMs, ...rest })) }
          } catch (cause) {
            if (isOvertaken(cause)) return null
            throw cause
          }
        },
        { name: where, key: of, io },
      ),
    ready: io => connection.use(async link => link.direct, io),
    hear: (channel, timeoutMs) => connection.use(link => link.hear(channel, timeoutMs), { timeoutMs }),
    close: () => connection.close(),
  }
}
