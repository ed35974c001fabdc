/**
 * Which clock wrote a time: its name, the same in all processes that share the clock and in no others.
 *
 * The host's monotonic clock begins anew with every boot, and a time namespace (a container restored elsewhere) shifts
 * it while the boot stays the same. So the name is made of both. Where the system tells neither, the minute of the
 * start stands in: two processes may then disagree by one minute and take each other for foreign, which only makes a
 * takeover slower.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { hostClock } from './clock.ts'

let known: string | undefined

/** Short and safe in JSON: 72 bits of a hash. */
export function timeDomain(): string {
  known ??= createHash('sha256').update(`${boot()} ${timeNamespace()}`).digest('base64url').slice(0, 12)
  return known
}

function boot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return `${hostname()} ${Math.round((hostClock.wall() - hostClock.now()) / 60_000)}`
  }
}

/** Kernels before 5.6 have no time namespaces, and other systems no /proc: then there is one clock. */
function timeNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/time')
  } catch {
    return 'one'
  }
}
