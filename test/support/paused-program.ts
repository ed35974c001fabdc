/** The oldest story of locks, with two real programs: one is paused, and the other takes over and writes. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DatabaseSync } from '@photostructure/sqlite'
import { schema } from '../../src/sql/index.ts'
import { until } from './holdfast.ts'
import type { Site } from './holdfast.ts'

const PROGRAM = fileURLToPath(new URL('../fixtures/timeline/program.mjs', import.meta.url))

export interface Paused {
  /** The journals of "first" and "second". */
  readonly journals: readonly string[]
  /** What each has said. */
  readonly said: readonly [first: string, second: string]
}

/** `store`: of both programs. The first is stopped between its reading and its writing until the second has written. */
export async function pauseOneProgram(site: Site, store: string): Promise<Paused> {
  const file = site.path('accounts.db')
  const database = new DatabaseSync(file)
  database.exec(`${schema('sqlite')}; CREATE TABLE account (balance INTEGER); INSERT INTO account VALUES (100)`)
  database.close()
  const journals = ['first', 'second'].map(holder => site.path(`${holder}.journal`))
  const start = (holder: string, journal: string, ttl: string) => begin([store, file, journal, holder, ttl])
  const [one = '', other = ''] = journals

  const first = start('first', one, '1s')
  await first.says('read')
  first.child.kill('SIGSTOP')
  await until('the first one to stand still', () => stateOf(first.child.pid ?? 0) === 'T')
  const second = start('second', other, '60s')
  await second.says('read')
  second.goOn()
  await second.says('written')
  await second.ended
  first.child.kill('SIGCONT')
  first.goOn()
  await first.ended
  return { journals, said: [first.said(), second.said()] }
}

function begin(args: readonly string[]) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', piece => (text += String(piece)))
  const ended = new Promise<void>(resolve => child.on('close', () => resolve()))
  return {
    child,
    ended,
    said: () => text,
    says: (word: string) => until(`"${word}"`, () => text.includes(word) || (child.exitCode !== null && fail(text))),
    goOn: () => child.stdin.end('go on\n'),
  }
}

function fail(text: string): never {
  throw new Error(`it ended early, and said: ${text}`)
}

function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
}
