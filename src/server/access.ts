/**
 * Who may ask. With a secret: who knows it. Without one: this machine alone, and by its own name, since a page from
 * elsewhere that a browser shows here could otherwise have its name point at us (DNS rebinding).
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { ConfigurationError } from '../base/errors.ts'
import { AUTHORIZATION } from '../store/wire.ts'
import { RefusedRequest } from '../store/wire-errors.ts'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?|::ffff:127(\.\d{1,3}){3})$/i

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/** @throws ConfigurationError  a secret that protects nothing */
export function checkSecret(secret: string | undefined): void {
  if (secret !== undefined && (typeof secret !== 'string' || secret === ''))
    throw new ConfigurationError('The secret of a server must be text, and not empty.')
}

/** @throws RefusedRequest */
export function admit(request: IncomingMessage, secret: string | undefined): void {
  if (secret === undefined) return admitNeighbour(request)
  const { authorization = '' } = request.headers
  if (!sameSecret(authorization, AUTHORIZATION + secret))
    throw new RefusedRequest(401, authorization === '' ? 'A secret is needed.' : 'The secret is another one.')
}

function admitNeighbour({ socket, headers }: IncomingMessage): void {
  const name = (headers.host ?? '').replace(/:\d*$/, '')
  if (!isLoopback(socket.remoteAddress ?? '') || !isLoopback(name))
    throw new RefusedRequest(403, 'Without a secret this server answers its own machine only.')
}

/** Takes the same time wherever they differ, and however long they are. */
function sameSecret(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}
