/**
 * A binary heap of things that want to be woken at an instant. An entry is not taken out when its thing changes: it is
 * stale then, and skipped when it comes up; when most are stale they are thrown out together.
 */
export interface Heap<T> {
  push(item: T): void
  /** The earliest valid item. */
  peek(): T | undefined
  /** The earliest valid item if its instant is not after `now`. */
  pop(now: number): T | undefined
  /** The earliest instant; Infinity if empty. */
  next(): number
  /** Tells how many items are alive, so that stale entries can be thrown out. */
  forget(alive: number): void
}

interface Entry<T> {
  readonly at: number
  readonly item: T
}

/** `instantOf` an item may change: push it again then. `alive`: whether it is still wanted at all. */
export function createHeap<T>(instantOf: (item: T) => number, alive: (item: T) => boolean): Heap<T> {
  let entries: Entry<T>[] = []

  const valid = (entry: Entry<T>): boolean => alive(entry.item) && instantOf(entry.item) === entry.at

  function push(entry: Entry<T>): void {
    let index = entries.length
    entries.push(entry)
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = entries[above]
      if (parent === undefined || parent.at <= entry.at) break
      entries[index] = parent
      index = above
    }
    entries[index] = entry
  }

  function shift(): void {
    const last = entries.pop()
    if (last === undefined || entries.length === 0) return
    let index = 0
    for (;;) {
      const left = entries[2 * index + 1]
      const right = entries[2 * index + 2]
      const [smaller, place] =
        right !== undefined && left !== undefined && right.at < left.at ? [right, 2 * index + 2] : [left, 2 * index + 1]
      if (smaller === undefined || smaller.at >= last.at) break
      entries[index] = smaller
      index = place
    }
    entries[index] = last
  }

  function first(): Entry<T> | undefined {
    for (let entry = entries[0]; entry !== undefined; entry = entries[0]) {
      if (valid(entry)) return entry
      shift()
    }
    return undefined
  }

  return {
    push: item => push({ at: instantOf(item), item }),
    peek: () => first()?.item,
    next: () => first()?.at ?? Infinity,
    pop(now) {
      const entry = first()
      if (entry === undefined || entry.at > now) return undefined
      shift()
      return entry.item
    },
    forget(alive) {
      if (alive === 0) entries = []
      else if (entries.length > 64 + 4 * alive) {
        const left = entries.filter(valid)
        entries = []
        for (const entry of left) push(entry)
      }
    },
  }
}
