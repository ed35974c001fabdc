/**
 * Reads the commands out of what a client sends to a Redis server, however the bytes are cut: for counting commands,
 * and for sending one again. It follows the outer frame only (an array of bulk strings, or an inline line) and
 * understands no command.
 *
 * Source: the Redis serialization protocol, https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export interface Command {
  /** In capitals: EVALSHA. */
  readonly name: string
  /** As it was sent. */
  readonly bytes: Buffer
}

export interface CommandReader {
  /** The commands that are complete with this chunk, in order. */
  read(chunk: Buffer): readonly Command[]
}

const CRLF = '\r\n'
const ARRAY = 0x2a
const BULK = 0x24

export function commandReader(): CommandReader {
  let rest: Buffer = Buffer.alloc(0)
  return {
    read(chunk) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const commands: Command[] = []
      for (let frame = frameOf(rest); frame !== null; frame = frameOf(rest)) {
        const { end, name } = frame
        if (name !== '') commands.push({ name: name.toUpperCase(), bytes: Buffer.from(rest.subarray(0, end)) })
        rest = rest.subarray(end)
      }
      return commands
    },
  }
}

/** Where the first command ends, and its name; null: not all of it is there yet. */
function frameOf(bytes: Buffer): { end: number; name: string } | null {
  const head = lineOf(bytes, 0)
  if (head === null) return null
  if (bytes[0] !== ARRAY) return { end: head.next, name: head.text.trim().split(' ')[0] ?? '' }
  let position = head.next
  let name = ''
  for (let left = Number(head.text.slice(1)); left > 0; left -= 1) {
    const size = lineOf(bytes, position)
    if (size === null) return null
    // Not the protocol: skip the line, so that a broken client cannot stop the reading.
    if (bytes[position] !== BULK) return { end: size.next, name: '' }
    const end = size.next + Number(size.text.slice(1))
    if (bytes.length < end + CRLF.length) return null
    if (name === '') name = bytes.toString('latin1', size.next, end)
    position = end + CRLF.length
  }
  return { end: position, name }
}

function lineOf(bytes: Buffer, from: number): { text: string; next: number } | null {
  const end = bytes.indexOf(CRLF, from)
  return end === -1 ? null : { text: bytes.toString('latin1', from, end), next: end + CRLF.length }
}
