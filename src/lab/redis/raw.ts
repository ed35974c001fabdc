/** Commands of Redis as a program without a lock library sends them, through whichever client package is installed. */
import { connect, script } from '../../drivers/redis/connection.ts'

export interface Raw {
  /** One command. Rejects as the server does. @throws StoreUnavailableError | ConfigurationError */
  ask(command: string, ...args: readonly string[]): Promise<unknown>
  /** A Lua script on one key. Its answer must be text. */
  eval(source: string, key: string, ...args: readonly string[]): Promise<string>
  close(): Promise<void>
}

const CALL = { timeoutMs: 5_000 }

/** Connects at the first command. */
export function openRaw(address: string): Raw {
  const connection = connect(address)
  return {
    ask: (command, ...args) => connection.command(command, args, CALL),
    eval: (source, key, ...args) => connection.run({ script: script(source), keys: [key], args, read: String }, CALL),
    close: () => connection.close(),
  }
}

/** The name under which the driver keeps a lock of no namespace. */
export function recordOf(key: string): string {
  return `holdfast::${key}`
}
