/**
 * What there is to tell of a kind of server: how it is found and got, what its directory holds, how it is started and
 * asked. The laboratory, the tests and `scripts/stores` start servers of the same descriptions, one file for each
 * store.
 *
 * A server runs in a directory of its own, its data in the folder `data` there, and listens on the loopback only.
 */

/** Where one server lives. */
export interface Place {
  /** Its directory, absolute; the program runs in it. */
  readonly home: string
  /** The port for clients; `ServerKind.ports` says how many in a row belong to it. */
  readonly port: number
}

/** A program to run to its end: words, and what it reads. */
export interface Run {
  readonly words: readonly string[]
  readonly input?: string
}

/** Programs that are no package of Debian stable: kept in the folder of tools, which the system knows nothing of. */
export type Fetch =
  | {
      readonly from: 'suite'
      /** Its folder among the tools. */
      readonly tool: string
      /** Of Debian; `backports` means that of the release which is installed. */
      readonly suite: 'backports' | 'bullseye' | 'sid'
      /** The packages alone, or all that they depend on as well. */
      readonly extent: 'alone' | 'complete'
      readonly packages: readonly string[]
      /** Packages of the system that the unpacked program is linked to. */
      readonly libraries?: readonly string[]
    }
  | { readonly from: 'npm'; readonly tool: string; readonly packages: readonly string[] }

export interface ServerKind {
  readonly name: string
  /** The programs and files that it needs, by name or absolute path, and the Debian package each is in (null: none). */
  readonly programs: Readonly<Record<string, string | null>>
  /** Where programs are looked for besides the PATH. */
  readonly folders?: readonly string[]
  readonly fetch?: Fetch
  /** What to do about a program that neither a package nor `fetch` gets. */
  readonly hint?: string
  /** Ports in a row that are its own. Default: 1. */
  readonly ports?: number
  /** Files of its directory, written before each start. */
  files?(place: Place): Readonly<Record<string, string>>
  /** The server goes on writing its files itself: they are written before the first start only. */
  readonly keepsFiles?: boolean
  /** What a killed server leaves behind that would keep it from starting. */
  readonly stale?: readonly string[]
  /** Makes its first data, as the server's user. */
  firstData?(place: Place): readonly Run[]
  /** The first word is one of `programs`, or a path. */
  command(place: Place): readonly string[]
  /** True once it serves. Takes a second at most. */
  answers(place: Place): Promise<boolean>
  /** What still has to be said to a server that answers for the first time. */
  complete?(place: Place): Promise<void>
  /** For clients. */
  address(place: Place): string
  /** What else a client must know, by the ending of the variable's name. */
  more?(place: Place): Readonly<Record<string, string>>
  /** Of an orderly end. Default: SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
}

export const HOST = '127.0.0.1'
