/**
 * Jute, the encoding of what ZooKeeper says and hears: numbers in network order, text and bytes with their length in
 * front. (Apache ZooKeeper, zookeeper.jute and org.apache.jute.BinaryOutputArchive.)
 */

export interface Writer {
  int(value: number): void
  long(value: bigint): void
  flag(value: boolean): void
  bytes(value: Buffer): void
  text(value: string): void
  /** All of it, with its length in front. */
  frame(): Buffer
}

/** Each throws a RangeError where the bytes are at an end. */
export interface Reader {
  int(): number
  long(): bigint
  flag(): boolean
  bytes(): Buffer
  text(): string
  texts(): readonly string[]
}

const FIRST_BYTES = 512
const HEAD_BYTES = 4

export function writer(): Writer {
  let buffer = Buffer.allocUnsafe(FIRST_BYTES)
  let end = HEAD_BYTES

  /** Has them written where the next so many bytes go. */
  function put(bytes: number, write: (to: Buffer, at: number) => void): void {
    if (end + bytes > buffer.length)
      buffer = Buffer.concat([buffer, Buffer.allocUnsafe(Math.max(buffer.length, bytes))])
    write(buffer, end)
    end += bytes
  }

  const int = (value: number): void => put(4, (to, at) => to.writeInt32BE(value, at))
  return {
    int,
    long: value => put(8, (to, at) => to.writeBigInt64BE(value, at)),
    flag: value => put(1, (to, at) => to.writeUInt8(value ? 1 : 0, at)),
    bytes(value) {
      int(value.length)
      put(value.length, (to, at) => value.copy(to, at))
    },
    text(value) {
      const bytes = Buffer.byteLength(value)
      int(bytes)
      put(bytes, (to, at) => to.write(value, at))
    },
    frame() {
      buffer.writeInt32BE(end - HEAD_BYTES, 0)
      return buffer.subarray(0, end)
    },
  }
}

export function reader(buffer: Buffer): Reader {
  let at = 0

  function next(bytes: number): number {
    if (bytes < 0 || at + bytes > buffer.length) throw new RangeError('it ends in the middle')
    at += bytes
    return at - bytes
  }

  const int = (): number => buffer.readInt32BE(next(4))
  /** -1 stands for none, which is to us the same as an empty one. */
  const bytes = (): Buffer => {
    const length = Math.max(0, int())
    const start = next(length)
    return buffer.subarray(start, start + length)
  }
  const text = (): string => bytes().toString()
  return {
    int,
    long: () => buffer.readBigInt64BE(next(8)),
    flag: () => buffer.readUInt8(next(1)) !== 0,
    bytes,
    text,
    texts: () => Array.from({ length: Math.max(0, Math.min(int(), buffer.length)) }, text),
  }
}
