/**
 * Pages that may ask. A browser lets a page talk to a server of another origin only if that names the page's, and asks
 * before it sends a secret or JSON (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol). The browser keeps the
 * rule, not the server: who asks from elsewhere than a page is not held back by it, and still needs the secret.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConfigurationError } from '../base/errors.ts'

const ASKED_AGAIN_S = 600

/** @throws ConfigurationError  one is no origin */
export function checkOrigins(origins: readonly string[]): void {
  for (const origin of origins)
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new ConfigurationError(
        `"${origin}" is no origin of pages. One is scheme, host and port, and nothing else: https://app.example`,
      )
}

/** Lets the page of this request read the answer, if it may. True: the request only asked that, and is answered. */
export function answerOrigin(
  { method, headers }: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[],
): boolean {
  if (origins.length === 0) return false
  response.setHeader('vary', 'origin')
  const { origin } = headers
  if (origin === undefined || !origins.includes(origin)) return false
  response.setHeader('access-control-allow-origin', origin)
  if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false
  response.setHeader('access-control-allow-methods', 'GET, POST')
  response.setHeader('access-control-allow-headers', 'authorization, content-type')
  response.setHeader('access-control-max-age', ASKED_AGAIN_S)
  // From a page of the wide network to a server of a private one.
  if (headers['access-control-request-private-network'] === 'true')
    response.setHeader('access-control-allow-private-network', 'true')
  response.writeHead(204).end()
  return true
}
