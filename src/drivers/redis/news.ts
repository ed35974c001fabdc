/**
 * What the server tells by itself, on a channel that only this store's tickets name: who holds since a step of somebody
 * else's, and who was revoked.
 */
import { createSubscription } from '../shared/subscription.ts'
import type { Subscription } from '../shared/subscription.ts'
import type { RedisConnection } from './connection.ts'

/** What happened, to which of the server's names. */
export type News =
  | { readonly name: string; readonly tokens: readonly number[] }
  | { readonly name: string; readonly token: number; readonly reason: string }

export interface NewsListener {
  news(news: News): void
  gap(): void
}

export function createNews(connection: RedisConnection, channel: string, on: NewsListener): Subscription {
  const message = (text: string): void => {
    const news = newsOf(text)
    if (news !== null) on.news(news)
  }
  return createSubscription({
    where: connection.where,
    open: (ended, timeoutMs) => connection.hear({ name: channel, message, ended }, timeoutMs),
    gap: on.gap,
  })
}

/** null: not one of ours. */
export function newsOf(message: string): News | null {
  const end = message.indexOf('\n')
  const [kind, tokens = '', ...reason] = message.slice(0, end).split(' ')
  const name = message.slice(end + 1)
  if (end < 0 || !/^\d+(,\d+)*$/.test(tokens)) return null
  if (kind === 'h') return { name, tokens: tokens.split(',').map(Number) }
  return kind === 'r' ? { name, token: Number(tokens), reason: unquoted(reason.join(' ')) } : null
}

/** Reasons are kept as JSON, so that they have no line break. */
export function unquoted(json: string): string {
  const reason: unknown = JSON.parse(json)
  return String(reason)
}
