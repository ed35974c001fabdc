/**
 * Many who wait for one signal, with one listener: a signal of the user's that cancels a hundred waits is no leak, and
 * Node must not warn of one. Nobody waits any more, and the listener is gone.
 */
interface Watchers {
  readonly tasks: Set<() => void>
  readonly listener: () => void
}

const watched = new WeakMap<AbortSignal, Watchers>()

/**
 * Calls `task`, a function of its own each time, when `signal` aborts, which it has not yet. Returns what ends that.
 */
export function onAbort(signal: AbortSignal, task: () => void): () => void {
  const { tasks, listener } = watched.get(signal) ?? watch(signal)
  tasks.add(task)
  return () => {
    if (!tasks.delete(task) || tasks.size > 0) return
    signal.removeEventListener('abort', listener)
    if (watched.get(signal)?.tasks === tasks) watched.delete(signal)
  }
}

function watch(signal: AbortSignal): Watchers {
  const tasks = new Set<() => void>()
  const listener = (): void => {
    watched.delete(signal)
    for (const task of [...tasks]) if (tasks.delete(task)) task()
  }
  signal.addEventListener('abort', listener, { once: true })
  const watchers = { tasks, listener }
  watched.set(signal, watchers)
  return watchers
}
