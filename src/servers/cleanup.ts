/**
 * What must not outlive this process: servers that were started, directories that were made. Tasks are synchronous,
 * since nothing else runs while a process exits; a kill -9 of this process is the one end that leaves things behind.
 */
const tasks = new Set<() => void>()

// SIGHUP: the terminal was closed. Where somebody else listens too, ending the process is their business.
const FATAL = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const handlers = FATAL.map(signal => ({ signal, handle: () => end(signal) }))

/** Runs `task` when this process exits or is told to. Returns how to take that back. */
export function atExit(task: () => void): () => void {
  if (tasks.size === 0) {
    process.on('exit', runAll)
    for (const { signal, handle } of handlers) process.on(signal, handle)
  }
  tasks.add(task)
  return () => {
    if (!tasks.delete(task) || tasks.size > 0) return
    process.off('exit', runAll)
    for (const { signal, handle } of handlers) process.off(signal, handle)
  }
}

function runAll(): void {
  for (const task of tasks) {
    try {
      task()
    } catch {
      // The others must still run; there is nobody left to tell.
    }
  }
  tasks.clear()
}

function end(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  runAll()
  for (const { signal: other, handle } of handlers) process.off(other, handle)
  process.kill(process.pid, signal)
}
