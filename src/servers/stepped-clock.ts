/**
 * Steps the clock of one server while it runs, and of nothing else on the machine: a small library, loaded before the
 * server's own (LD_PRELOAD), adds an offset to every reading of the wall clock. The offset lies in a file that server
 * and laboratory both map, so a step is one write. The monotonic clock stays what it is, as with a real step.
 *
 * It asks the kernel by system call and allocates nothing: Debian's Redis reads the clock while its allocator starts,
 * which is where libfaketime gets stuck. Linux with glibc or musl, and a C compiler.
 */
import { execFile } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { UnsupportedError } from '../base/errors.ts'
import type { ServerKind } from './kind.ts'

const SHIM = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t none, *offset = &none; /* nanoseconds */

__attribute__((constructor)) static void map_offset(void) {
  const char *path = getenv("HOLDFAST_CLOCK_FILE");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(0, sizeof none, PROT_READ, MAP_SHARED, file, 0);
  if (page != MAP_FAILED) offset = page;
  close(file);
}

int clock_gettime(clockid_t id, struct timespec *ts) {
  long failed = syscall(SYS_clock_gettime, id, ts);
  if (failed || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
  int64_t ns = ts->tv_sec * 1000000000LL + ts->tv_nsec + *offset;
  ts->tv_sec = ns / 1000000000LL;
  ts->tv_nsec = ns % 1000000000LL;
  return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
  struct timespec ts;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &ts)) return -1;
  tv->tv_sec = ts.tv_sec;
  tv->tv_usec = ts.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec ts;
  if (clock_gettime(CLOCK_REALTIME, &ts)) return -1;
  if (out) *out = ts.tv_sec;
  return ts.tv_sec;
}
`

export interface SteppedClock {
  /** What the server must be started with. */
  readonly environment: Readonly<Record<string, string>>
  /** The server's wall clock is off by this much from now on: negative sets it back, 0 ends it. Does not add up. */
  set(offsetMs: number): void
  offsetMs(): number
}

/** The same kind, which needs a compiler as well. */
export function withSteppedClock(kind: ServerKind): ServerKind {
  return { ...kind, programs: { ...kind.programs, cc: 'gcc' } }
}

/**
 * Builds the library and its offset file in `directory`, which the server's user must be able to read.
 * @throws UnsupportedError  not Linux, or no C compiler (`cc`) on the PATH
 */
export async function steppedClock(directory: string): Promise<SteppedClock> {
  if (process.platform !== 'linux')
    throw new UnsupportedError(`Stepping a server's clock needs Linux; this is ${process.platform}.`)
  const source = join(directory, 'clock.c')
  const library = join(directory, 'clock.so')
  const file = join(directory, 'clock.offset')
  await writeFile(source, SHIM)
  await writeFile(file, Buffer.alloc(8))
  try {
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-o', library, source])
  } catch (cause) {
    throw new UnsupportedError(
      `Stepping a server's clock needs a C compiler: \`cc\` is missing or failed. On Debian: apt-get install gcc libc6-dev.`,
      {
        cause,
      },
    )
  }
  let offset = 0
  return {
    environment: { LD_PRELOAD: library, HOLDFAST_CLOCK_FILE: file },
    set(offsetMs) {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64LE(BigInt(Math.round(offsetMs * 1_000_000)))
      const handle = openSync(file, 'r+')
      writeSync(handle, bytes, 0, bytes.length, 0)
      closeSync(handle)
      offset = offsetMs
    },
    offsetMs: () => offset,
  }
}
