/**
 * What is said to ZooKeeper and how it answers, as data: the names of nodes, and requests. (The numbers are those of
 * org.apache.zookeeper.ZooDefs and KeeperException.)
 *
 *   CHROOT/holdfast/NAMESPACE/locks/KEY         a container: it goes by itself when it is empty
 *   CHROOT/holdfast/NAMESPACE/locks/KEY/ID      a ticket, which ends with its session
 *   CHROOT/holdfast/NAMESPACE/marks/KEY.ID      this id is forbidden
 *
 * Names are %-encoded; `@` stands for no namespace.
 */
import { Refusal } from './failures.ts'
import type { Reader, Writer } from './jute.ts'

export interface Request<T> {
  readonly op: number
  write(to: Writer): void
  read(from: Reader): T
}

/** Of a node. */
export interface Stat {
  /** Of the transaction that made it: grows with every change that the ensemble makes. */
  readonly made: number
  /** Counts its writings. */
  readonly version: number
  /** The session that it ends with; '0': none. */
  readonly life: string
}

export interface Node extends Stat {
  readonly data: string
}

/** Answers that say something of the nodes, not of the request. */
export const NO_NODE = -101
export const BAD_VERSION = -103
export const NODE_EXISTS = -110
export const OF_NODES: ReadonlySet<number> = new Set([NO_NODE, BAD_VERSION, NODE_EXISTS])

/** One step of a transaction. */
export interface Step {
  readonly op: number
  write(to: Writer): void
}

/** Who may do what with a node: everybody, or whoever made it. */
export type Access = 'all' | 'creator'

export const OPS = { ping: 11, auth: 100, close: -11 } as const
const OP = {
  ...{ create: 1, remove: 2, exists: 3, get: 4, set: 5, sync: 9, children: 12 },
  ...{ check: 13, transaction: 14, container: 19, error: -1 },
} as const
const FLAG = { persistent: 0, ephemeral: 1, container: 4 } as const
const ALL = 31

export interface Names {
  /** From the outside in: what must be there before a ticket can be. */
  readonly base: readonly string[]
  readonly locks: string
  readonly lock: (key: string) => string
  readonly ticket: (key: string, id: string) => string
  readonly mark: (key: string, id: string) => string
}

export function namesIn(chroot: readonly string[], namespace: string): Names {
  const parts = [...chroot, 'holdfast', namespace === '' ? '@' : encoded(namespace)]
  const base = parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)
  const home = base.at(-1) ?? ''
  const [locks, marks] = [`${home}/locks`, `${home}/marks`]
  return {
    base: [...base, locks, marks],
    locks,
    lock: key => `${locks}/${encoded(key)}`,
    ticket: (key, id) => `${locks}/${encoded(key)}/${encoded(id)}`,
    mark: (key, id) => `${marks}/${encoded(key)}.${encoded(id)}`,
  }
}

/** `.` alone is no name of a node, and some characters are in none. */
export function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll('.', '%2E')
}

/** null: no name that we have given. */
export function decoded(name: string): string | null {
  try {
    return decodeURIComponent(name)
  } catch {
    return null
  }
}

function create(op: number, path: string, flags: number, of: { readonly data: string; readonly access: Access }): Step {
  return {
    op,
    write(to) {
      to.text(path)
      to.bytes(Buffer.from(of.data))
      to.int(1)
      to.int(ALL)
      to.text(of.access === 'all' ? 'world' : 'auth')
      to.text(of.access === 'all' ? 'anyone' : '')
      to.int(flags)
    },
  }
}

/** Ends with the session that makes it. */
export function makeEphemeral(path: string, of: { readonly data: string; readonly access: Access }): Step {
  return create(OP.create, path, FLAG.ephemeral, of)
}

export function removeNode(path: string, version: number): Step {
  return {
    op: OP.remove,
    write(to) {
      to.text(path)
      to.int(version)
    },
  }
}

export function setNode(path: string, data: string, version: number): Step {
  return {
    op: OP.set,
    write(to) {
      to.text(path)
      to.bytes(Buffer.from(data))
      to.int(version)
    },
  }
}

/** `version` -1: only that it is there. */
export function checkNode(path: string, version: number): Step {
  return {
    op: OP.check,
    write(to) {
      to.text(path)
      to.int(version)
    },
  }
}

/** Whatever its version is. */
export const ANY = -1

/** A step by itself, without the cost of a transaction. */
export function alone(step: Step): Request<void> {
  return { ...step, read: () => {} }
}

export function makePersistent(path: string, access: Access): Request<void> {
  return { ...create(OP.create, path, FLAG.persistent, { data: '', access }), read: () => {} }
}

export function makeContainer(path: string, access: Access): Request<void> {
  return { ...create(OP.container, path, FLAG.container, { data: '', access }), read: () => {} }
}

export function nodeThere(path: string): Request<Stat> {
  return {
    op: OP.exists,
    write(to) {
      to.text(path)
      to.flag(false)
    },
    read: readStat,
  }
}

/** `watch`: the connection tells once when it changes or goes. */
export function getNode(path: string, { watch = false }: { readonly watch?: boolean } = {}): Request<Node> {
  return {
    op: OP.get,
    write(to) {
      to.text(path)
      to.flag(watch)
    },
    read: from => ({ data: from.text(), ...readStat(from) }),
  }
}

export function childrenOf(path: string): Request<readonly string[]> {
  return {
    op: OP.children,
    write(to) {
      to.text(path)
      to.flag(false)
    },
    read: from => from.texts(),
  }
}

/** What is read after it is no older than the call, whichever member is asked. */
export function sync(path: string): Request<void> {
  return { op: OP.sync, write: to => to.text(path), read: () => {} }
}

export type Transacted =
  | { readonly ok: true }
  /** Which step could not be done, and why. Nothing has been done. */
  | { readonly ok: false; readonly at: number; readonly code: number }

/** All of it or nothing, decided by the leader and a majority. Any other answer is a Refusal. */
export function transaction(steps: readonly Step[]): Request<Transacted> {
  return {
    op: OP.transaction,
    write(to) {
      for (const step of steps) {
        head(to, step.op, false)
        step.write(to)
      }
      head(to, -1, true)
    },
    read: readTransacted,
  }
}

function head(to: Writer, op: number, done: boolean): void {
  to.int(op)
  to.flag(done)
  to.int(-1)
}

function readTransacted(from: Reader): Transacted {
  let failed: { readonly at: number; readonly code: number } | null = null
  for (let at = 0; ; at += 1) {
    const op = from.int()
    if (from.flag()) {
      if (failed === null) return { ok: true }
      if (!OF_NODES.has(failed.code)) throw new Refusal(failed.code)
      return { ok: false, ...failed }
    }
    from.int()
    if (op === OP.error) {
      const code = from.int()
      // Those in front of it say 0, those after it that they were not looked at.
      if (code !== 0) failed ??= { at, code }
    } else if (op === OP.create) from.text()
    else if (op === OP.set) readStat(from)
    else if (op !== OP.remove && op !== OP.check) throw new RangeError(`it has an unknown step ${op}`)
  }
}

function readStat(from: Reader): Stat {
  const made = Number(from.long())
  for (let times = 0; times < 3; times += 1) from.long()
  const version = from.int()
  from.int()
  from.int()
  const life = from.long().toString()
  from.int()
  from.int()
  from.long()
  return { made, version, life }
}
