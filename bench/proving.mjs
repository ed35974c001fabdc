// What the proofs share: a store to prove on, children to do it with, and figures.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs `prove(store, directory)` with the address given, or with a SQLite file that is gone afterwards. */
export async function onStore(address, prove) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-proof-'))
  try {
    await prove(address ?? `sqlite:${join(directory, 'locks.db')}`, directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/**
 * A child that runs `program` with `words`. `next(type)` is its next message of that type; it rejects if the child ends
 * first, unless it was killed on purpose.
 */
export function start(program, words) {
  const child = fork(program, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = new Promise(resolve => child.once('exit', (code, signal) => resolve({ code, signal })))
  children.add(child)
  void ended.then(() => children.delete(child))
  const next = type =>
    new Promise((resolve, reject) => {
      const listen = message => {
        if (message.type !== type) return
        child.off('message', listen)
        resolve(message)
      }
      child.on('message', listen)
      void ended.then(({ code, signal }) =>
        reject(new Error(`a child ended (${signal ?? `exit ${code}`}) before it said "${type}"`)),
      )
    })
  const onMessage = listener => void child.on('message', listener)
  return {
    pid: child.pid,
    next,
    onMessage,
    ended,
    say: type => child.send({ type }),
    kill9: () => child.kill('SIGKILL'),
  }
}

/** In a child: the parent's word of that type. */
export function told(type) {
  return new Promise(resolve => {
    const listen = message => {
      if (message.type !== type) return
      process.off('message', listen)
      resolve()
    }
    process.on('message', listen)
  })
}

/** `tell` in a child: resolves once the parent's pipe has it. */
export function tell(message) {
  return new Promise((resolve, reject) => process.send(message, error => (error ? reject(error) : resolve())))
}

export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** Milliseconds on the one clock that all processes of a machine share and nobody can set. */
export function hostNow() {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Prints each judgement; the exit code is 1 unless all hold. */
export function judge(judgements) {
  for (const [what, holds] of judgements) console.log(`${holds ? 'holds' : 'BROKEN'}  ${what}`)
  if (!judgements.every(([, holds]) => holds)) process.exitCode = 1
}
