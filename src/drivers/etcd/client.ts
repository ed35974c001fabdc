/** etcd by its JSON gateway: calls, a login that is made anew when it has run out, and a watch. */
import { systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { createHttp, jsonOf } from '../shared/http.ts'
import type { HttpAnswer, HttpTls } from '../shared/http.ts'
import type { EtcdAddress } from './address.ts'
import { tokenOf } from './answers.ts'
import { asksForAnother, failureOf, messageOf, oddAnswer, wantsLogin } from './failures.ts'

export interface EtcdClient {
  /**
   * What `read` makes of the answer.
   * @throws StoreUnavailableError | ConfigurationError
   */
  call<T>(path: string, body: object, read: (value: unknown) => T, io: Io): Promise<T>
  /** Lines of an answer that does not end. `line` may throw, which ends it. */
  watch(body: object, on: { line(value: unknown): void; ended(): void }, io: Io): Promise<{ close(): void }>
  /** The next call logs in anew. */
  forgetLogin(): void
  close(): void
}

export function createClient({ hosts, tls, login }: EtcdAddress, options: HttpTls | undefined): EtcdClient {
  const http = createHttp({ name: 'etcd', hosts, tls: tls ? (options ?? {}) : null })
  let token: Promise<string> | null = null

  async function logIn(io: Io): Promise<string> {
    const answer = await http.send({ method: 'POST', path: '/v3/auth/authenticate', body: JSON.stringify(login) }, io)
    if (answer.status === 200) return reading(answer, tokenOf)
    // As etcd's own client does: a login for a server that asks for none is no mistake.
    if (messageOf(answer).includes('authentication is not enabled')) return ''
    throw failureOf(answer)
  }

  /** One for all who ask meanwhile. */
  async function headers(io: Io): Promise<Record<string, string>> {
    if (login === null) return {}
    const asked = (token ??= logIn(io))
    try {
      const known = await asked
      return known === '' ? {} : { authorization: known }
    } catch (cause) {
      if (token === asked) token = null
      throw cause
    }
  }

  async function send(path: string, body: string, io: Io): Promise<HttpAnswer> {
    const until = systemClock.now() + io.timeoutMs
    const left = (): Io => ({ ...io, timeoutMs: Math.max(1, until - systemClock.now()) })
    for (let tries = 1; ; tries += 1) {
      const answer =
        login === null
          ? await http.send({ method: 'POST', path, body }, io)
          : await http.send({ method: 'POST', path, body, headers: await headers(left()) }, left())
      if (answer.status === 200) return answer
      const isOld = login !== null && tries === 1 && answer.text.startsWith('{') && wantsLogin(messageOf(answer))
      if (!isOld) {
        if (asksForAnother(answer.text)) http.avoid(answer.where)
        throw failureOf(answer)
      }
      token = null
    }
  }

  return {
    async call(path, body, read, io) {
      return reading(await send(`/v3/${path}`, JSON.stringify(body), io), read)
    },
    async watch(body, { line, ended }, io) {
      let rest = ''
      let close = (): void => {}
      const data = (text: string): void => {
        rest += text
        try {
          for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
            const value: unknown = JSON.parse(rest.slice(0, end))
            rest = rest.slice(end + 1)
            line(value)
          }
        } catch {
          close()
          ended()
        }
      }
      const request = { method: 'POST', path: '/v3/watch', body: JSON.stringify(body), headers: await headers(io) }
      const stream = await http.stream({ ...request, method: 'POST' }, { data, ended }, io)
      close = () => stream.close()
      return { close }
    },
    forgetLogin: () => void (token = null),
    close: () => http.close(),
  }
}

function reading<T>(answer: HttpAnswer, read: (value: unknown) => T): T {
  const value = jsonOf(answer)
  try {
    return read(value)
  } catch (cause) {
    if (cause instanceof StoreUnavailableError) throw cause
    throw oddAnswer(answer, cause)
  }
}
