/** The server side of the http driver in a process of its own, for tests that restart, pause and kill it. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../fixtures/http/serve.mjs', import.meta.url))

export interface HttpServer {
  readonly port: number
  /** Of one storage. */
  url(storage: string): string
  /** As by kill -9. */
  kill(): Promise<void>
  /** Again, on the same port. */
  start(): Promise<void>
  pause(): void
  resume(): void
  close(): Promise<void>
}

/** `store`: the address of what is behind it. */
export async function httpServer(store: string, secret?: string): Promise<HttpServer> {
  let child: ChildProcess | undefined
  let port = 0

  async function start(): Promise<void> {
    const words = [store, String(port), ...(secret === undefined ? [] : [secret])]
    child = fork(PROGRAM, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${String(code)} before it listened`)
    })
    const [message]: readonly unknown[] = await Promise.race([once(child, 'message'), ended])
    ended.catch(() => {})
    port = portIn(message)
  }

  async function kill(): Promise<void> {
    const killed = child
    child = undefined
    if (killed === undefined || killed.exitCode !== null || killed.signalCode !== null) return
    killed.kill('SIGKILL')
    await once(killed, 'exit')
  }

  await start()
  return {
    get port() {
      return port
    },
    url: storage => `http://${secret === undefined ? '' : `:${secret}@`}127.0.0.1:${port}/${storage}`,
    kill,
    start,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    close: kill,
  }
}

function portIn(message: unknown): number {
  if (typeof message === 'object' && message !== null && 'port' in message && typeof message.port === 'number')
    return message.port
  throw new Error(`the server said ${JSON.stringify(message)} instead of its port`)
}
