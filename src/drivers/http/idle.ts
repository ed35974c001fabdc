/**
 * A stream that is only listened to must not keep the process alive, and `fetch` has no word for that. Node's tells on
 * a diagnostics channel by which socket a request goes (undici, "undici:client:sendHeaders"), and a socket can be let
 * go. Where there is no such channel, in Deno, Bun and browsers, nothing happens here: a program that is to end closes
 * its locks.
 */

const CHANNEL = 'undici:client:sendHeaders'

const urls = new Set<string>()
let watching = false

/** From now on requests to this URL do not keep the process alive. */
export function letGo(url: string): void {
  urls.add(url)
  if (watching) return
  watching = true
  const channels = typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:diagnostics_channel')
  channels?.subscribe(CHANNEL, message => {
    const request = member(message, 'request')
    const url = `${String(member(request, 'origin'))}${String(member(request, 'path'))}`
    const socket = member(message, 'socket')
    const unref = member(socket, 'unref')
    if (urls.has(url) && typeof unref === 'function') Reflect.apply(unref, socket, [])
  })
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
