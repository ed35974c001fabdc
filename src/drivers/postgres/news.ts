/** What the server tells by itself, on a channel that only this store's tickets name: who holds, who was revoked. */
import type { StoreListener } from '../../store/contract.ts'

/** Tells the listeners what a message says; what is not ours says nothing. */
export function tell(message: string, listeners: Iterable<StoreListener>): void {
  const end = message.indexOf('\n')
  const [kind, tokens = '', ...reason] = message.slice(0, end).split(' ')
  if (end < 0 || !/^\d+(,\d+)*$/.test(tokens)) return
  const key = Buffer.from(message.slice(end + 1), 'base64').toString()
  for (const listener of listeners) {
    if (kind === 'h') listener.holds(key, tokens.split(',').map(Number))
    else if (kind === 'r') listener.revoked(key, Number(tokens), unquoted(reason.join(' ')))
  }
}

/** A long reason was cut, and so is no JSON any more: the owner learns all of it at its next renewal. */
function unquoted(json: string): string {
  try {
    const reason: unknown = JSON.parse(json)
    return String(reason)
  } catch {
    return json.replace(/^"/, '').replaceAll(/\\u?[0-9a-f]*$/g, '')
  }
}
