/** What a request brings with it, read as far as it may go. */
import type { IncomingMessage } from 'node:http'
import { record } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import { RefusedRequest } from '../store/wire-errors.ts'

/** 256 renewals of the longest keys, with every letter escaped, are less. */
const MOST_BYTES = 4 * 1024 * 1024

/**
 * The body as an object. Only as JSON: what a page of another site may send without asking is text.
 * @throws RefusedRequest
 */
export async function bodyOf(request: IncomingMessage): Promise<Fields> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? ''))
    throw new RefusedRequest(400, 'The body must be JSON, and say so: content-type: application/json.')
  const chunks: Buffer[] = []
  let bytes = 0
  // Not destroyed when it is too long: the answer goes by the same connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const piece = Buffer.from(chunk)
    bytes += piece.length
    if (bytes > MOST_BYTES) throw new RefusedRequest(413, `The body has more than ${MOST_BYTES} bytes.`)
    chunks.push(piece)
  }
  try {
    return record(JSON.parse(Buffer.concat(chunks).toString()), 'the body')
  } catch (cause) {
    throw new RefusedRequest(400, `The body cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`)
  }
}

/** The query as an object: text, but for what is a number. */
export function queryOf(query: URLSearchParams): Fields {
  const timeoutMs = Number(query.get('timeoutMs') ?? Number.NaN)
  return { ...Object.fromEntries(query), timeoutMs: Number.isFinite(timeoutMs) ? timeoutMs : undefined }
}
