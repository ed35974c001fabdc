/**
 * Asks a server one thing, without a client package: what its answer says of whether it serves is the kind's to tell.
 */
import { request } from 'node:https'
import type { RequestOptions } from 'node:https'
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { systemClock } from '../base/clock.ts'
import { HOST } from './kind.ts'

const PATIENCE_MS = 1_000

export interface Question {
  /** Sent once connected; '' waits for a server that speaks first. */
  readonly send: string | Buffer
  /** Ends the waiting once it was said. */
  readonly until: string
  /** Default: a plain connection to the port. */
  readonly connect?: (port: number) => Socket
}

/** What the server said, as latin1: until `until` is in it, it hangs up, or a second is over. '' if it says nothing. */
export function ask(port: number, { send, until, connect = plainly }: Question): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(port)
    let text = ''
    const done = (): void => {
      patience.cancel()
      socket.destroy()
      resolve(text)
    }
    const patience = systemClock.after(PATIENCE_MS, done)
    if (send !== '') socket.write(send)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.includes(until)) done()
    })
    for (const event of ['error', 'close'] as const) socket.on(event, done)
  })
}

function plainly(port: number): Socket {
  return createConnection({ host: HOST, port })
}

/** The body of an HTTP answer; '' if there is none, or it tells of a failure. */
export async function fetchText(url: string, wish: RequestInit = {}): Promise<string> {
  try {
    const answer = await fetch(url, { ...wish, signal: AbortSignal.timeout(PATIENCE_MS) })
    return answer.ok ? await answer.text() : ''
  } catch {
    return ''
  }
}

/** The body of an HTTPS answer, whatever its status; '' if there is none. */
export function postTo(options: RequestOptions, body: string): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    const done = (): void => resolve(text)
    const call = request({ ...options, method: 'POST', timeout: PATIENCE_MS }, answer => {
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
      answer.on('close', done)
    })
    call.on('timeout', () => call.destroy())
    for (const event of ['error', 'close'] as const) call.on(event, done)
    call.end(body)
  })
}
