/** The workers: children that can be stopped and killed, or, for a store inside one process, tasks that cannot. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { memoryStore } from '../../src/drivers/memory.ts'
import { hurtable } from '../../src/servers/child.ts'
import type { Child } from '../../src/servers/child.ts'
import type { Ledger, Word } from './ledger.ts'
import { work } from './worker.ts'

export interface Crew {
  /** Null: they are tasks of this process. */
  readonly children: readonly Child[] | null
  /** Kills one, and puts another in its place. */
  replace(child: Child): Promise<void>
  /** Asks all to end, and waits until they have. */
  end(): Promise<void>
}

export interface CrewOptions {
  readonly workers: number
  readonly seed: number
  readonly address: string
  readonly namespace: string
  readonly sabotageMs: number
  readonly ledger: Ledger
}

/** How long a worker may take to end that was asked to: only there to find what hangs, on a busy machine too. */
const END_MS = 60_000

export function crewOf(options: CrewOptions): Crew {
  return options.address === 'memory:' ? tasks(options) : processes(options)
}

function tasks({ workers, seed, namespace, sabotageMs, ledger }: CrewOptions): Crew {
  const stop = new AbortController()
  const running = Array.from({ length: workers }, (_, index) =>
    work({
      ...{ name: `worker ${index + 1}`, seed: seed + index, sabotageMs, stopped: stop.signal },
      make: async () => memoryStore({ storage: namespace }),
      tell: async word => ledger.note(word),
    }),
  )
  return {
    children: null,
    replace: async () => {},
    async end() {
      stop.abort()
      await Promise.all(running)
    },
  }
}

function processes({ workers, seed, address, namespace, sabotageMs, ledger }: CrewOptions): Crew {
  const children: Child[] = []
  let started = 0
  let wanted = true

  function start(): void {
    started += 1
    const words = [`worker ${started}`, seed + started, address, namespace, sabotageMs].map(String)
    const forked = fork(fileURLToPath(new URL('./child.js', import.meta.url)), words)
    const child = hurtable(forked)
    children.push(child)
    forked.on('message', (word: Word) => ledger.note(word))
    void child.exited.then(({ code, signal }) => {
      children.splice(children.indexOf(child), 1)
      const bad = wanted ? signal !== 'SIGKILL' : code !== 0 && signal !== 'SIGKILL'
      if (bad) ledger.violation(`${words[0]} ended by itself: ${signal ?? `exit ${code}`}`)
    })
  }

  for (let index = 0; index < workers; index += 1) start()
  return {
    children,
    async replace(child) {
      await child.kill()
      if (wanted) start()
    },
    async end() {
      wanted = false
      const left = [...children]
      for (const child of left) if (child.process.connected) child.process.send('end')
      await Promise.all(left.map(child => endOf(child, ledger)))
    },
  }
}

async function endOf(child: Child, ledger: Ledger): Promise<void> {
  child.resume()
  let late = false
  const timer = setTimeout(() => {
    late = true
    void child.kill()
  }, END_MS)
  await child.exited
  clearTimeout(timer)
  if (late) ledger.violation(`a worker did not end within ${END_MS} ms of being asked to`)
}
