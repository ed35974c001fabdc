/** The least that talks to a Redis server: one line out, one answer back, over a socket that the test owns. */
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'

export interface Talk {
  readonly socket: Socket
  /**
   * Sends an inline command; resolves with the first line of the answer, rejects when the connection ends or nothing
   * came in time.
   */
  ask(line: string, timeoutMs?: number): Promise<string>
  readonly closed: Promise<void>
  end(): void
}

export function talk(port: number): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.on('error', () => {})
      const closed = new Promise<void>(done => socket.once('close', () => done()))
      resolve({
        socket,
        closed,
        ask: (line, timeoutMs = 5_000) => ask(socket, line, timeoutMs),
        end: () => socket.destroy(),
      })
    })
  })
}

function ask(socket: Socket, line: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(() => finish(() => reject(new Error('no answer'))), timeoutMs)
    const onData = (chunk: Buffer): void => {
      text += chunk.toString()
      const end = text.indexOf('\r\n')
      if (end !== -1) finish(() => resolve(text.slice(0, end)))
    }
    const onClose = (): void => finish(() => reject(new Error('connection closed')))
    function finish(settle: () => void): void {
      clearTimeout(timer)
      socket.off('data', onData)
      socket.off('close', onClose)
      settle()
    }
    socket.on('data', onData)
    socket.on('close', onClose)
    socket.write(`${line}\r\n`)
  })
}
