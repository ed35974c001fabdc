/**
 * The server's stream of pushes, read as server-sent events. It says something every two seconds, so one that is silent
 * for longer is dead, however open the connection looks.
 */
import { StoreUnavailableError } from '../../base/errors.ts'
import { decodePush, PATHS } from '../../store/wire.ts'
import type { Push } from '../../store/wire.ts'
import { endingLate } from '../shared/connection.ts'
import { createSubscription } from '../shared/subscription.ts'
import type { Ear, Subscription } from '../shared/subscription.ts'
import type { HttpConnection, ReaderLike } from './connection.ts'
import { failure } from './failures.ts'

/** A push names one lock: this is a stream of something else. */
const LONGEST_EVENT = 1024 * 1024

/** `hear`: a push, or that some may be missing. */
export function createNews(connection: HttpConnection, hear: (push: Push) => void): Subscription {
  return createSubscription({
    where: connection.where,
    open: (ended, timeoutMs) => listen(connection, { hear, ended, timeoutMs }),
    gap: () => hear({ event: 'gap' }),
  })
}

interface Listening {
  hear(push: Push): void
  ended(): void
  readonly timeoutMs: number
}

/** Resolves when the server listens to the store. */
async function listen(connection: HttpConnection, { hear, ended, timeoutMs }: Listening): Promise<Ear> {
  const cutting = new AbortController()
  const end = (): void => cutting.abort()
  let heard = (): void => {}
  const stream = await endingLate(
    async () => {
      const pushes = pushesOf(await connection.stream(PATHS.events, cutting.signal), () => heard())
      const first = await pushes.next().catch((cause: unknown) => {
        throw failure(cause, connection.where)
      })
      if (first.done !== true && first.value.event === 'ready') return pushes
      throw new StoreUnavailableError(`${connection.where} ended its stream of events before it began.`)
    },
    { timeoutMs, end },
  )

  async function follow(): Promise<void> {
    for await (const push of stream) hear(push)
  }

  follow().then(ended, ended)
  return { ping: () => new Promise<void>(resolve => (heard = resolve)), close: end }
}

/** `heard` is called for whatever comes, news or not. @throws TypeError | SyntaxError  no stream of ours */
async function* pushesOf(reader: ReaderLike, heard: () => void): AsyncGenerator<Push> {
  const decoder = new TextDecoder()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    heard()
    const events = (rest + decoder.decode(value, { stream: true })).split('\n\n')
    rest = events.pop() ?? ''
    if (rest.length > LONGEST_EVENT) throw new TypeError('an event is endless')
    for (const event of events) {
      const push = pushIn(event)
      if (push !== null) yield push
    }
  }
}

/** null: a comment, or an event of a newer server. */
function pushIn(event: string): Push | null {
  const fields = new Map(event.split('\n').map(fieldOf))
  return decodePush(fields.get('event') ?? '', fields.get('data') ?? '')
}

function fieldOf(line: string): [string, string] {
  const [name = '', ...value] = line.split(': ')
  return [name, value.join(': ')]
}
