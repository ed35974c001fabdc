/** A certificate that vouches for itself, for a server on the loopback: made once, in the server's directory. */
import { join } from 'node:path'
import type { Place, Run } from './kind.ts'

const KEY = 'server.key'
const CERTIFICATE = 'server.crt'

/** Needs `openssl`. */
export const MAKE_CERTIFICATE: Run = {
  words: [
    ...'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650'.split(' '),
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ...['-keyout', KEY, '-out', CERTIFICATE],
  ],
}

/** The server's part, absolute; the certificate is also what a client must trust. */
export function certificateOf({ home }: Place): { readonly key: string; readonly certificate: string } {
  return { key: join(home, KEY), certificate: join(home, CERTIFICATE) }
}
