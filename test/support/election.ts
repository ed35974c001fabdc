/**
 * An election among real processes on one store: the leader is stopped where it stands (SIGSTOP) and goes on later, and
 * is killed. What a leader does goes to a resource that refuses tokens older than the newest it has seen.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { until } from './holdfast.ts'

const PROGRAM = fileURLToPath(new URL('../fixtures/election/candidate.mjs', import.meta.url))
const LIMIT_MS = 120_000

interface Said {
  readonly type: string
  readonly at: number
  readonly token: number
  readonly until: number
}

/** How often each candidate's acts were refused, by its place in the line. */
export async function holdElection(store: string, { ttlMs }: { readonly ttlMs: number }): Promise<void> {
  const key = `election:${process.pid}:${Math.random()}`
  let newest = 0

  function candidate() {
    const said: Said[] = []
    let refused = 0
    const child = fork(PROGRAM, [store, key, String(ttlMs)])
    onTestFinished(() => void child.kill('SIGKILL'))
    child.on('message', message => {
      const heard = saidIn(message)
      said.push(heard)
      if (heard.type !== 'acts') return
      if (heard.token < newest) refused += 1
      newest = Math.max(newest, heard.token)
    })
    const hear = (type: string, after = -1): Promise<Said> =>
      until(`${type} of a candidate`, () => said.find(each => each.type === type && each.at > after), LIMIT_MS)
    return { hear, refused: () => refused, signal: (name: NodeJS.Signals) => child.kill(name) }
  }

  const first = candidate()
  const elected = await first.hear('leads')
  const second = candidate()
  await second.hear('waits')
  // Just renewed, so that it stops between two calls to the store and not inside one.
  const { until: windowCloses } = await first.hear('renewed', elected.at)
  first.signal('SIGSTOP')
  const succeeded = await second.hear('leads')
  expect(succeeded.at).toBeGreaterThan(windowCloses)
  expect(succeeded.token).toBeGreaterThan(elected.token)
  await second.hear('acts')
  expect(first.refused()).toBe(0)

  first.signal('SIGCONT')
  await first.hear('lost')
  expect(first.refused()).toBeGreaterThan(0)
  expect(second.refused()).toBe(0)

  const third = candidate()
  await third.hear('waits')
  second.signal('SIGKILL')
  const last = await third.hear('leads')
  expect(last.token).toBeGreaterThan(succeeded.token)
}

function saidIn(message: unknown): Said {
  if (typeof message !== 'object' || message === null) throw new TypeError('a candidate says objects')
  const { type, at, token = 0, until: closes = 0 } = Object.fromEntries(Object.entries(message))
  return { type: String(type), at: Number(at), token: Number(token), until: Number(closes) }
}
