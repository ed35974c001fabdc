/** Interactive programs under `holdfast run`, in a real terminal: tmux types, and reads the screen. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSite, fixture, isInForeground, isRunning, MAIN, numbersIn, until } from '../support/holdfast.ts'
import { listProcesses } from '../../src/cli/run/processes.ts'

const site = createSite()
/**
 * Each test has a server of its own: one that ends with its last session still takes the next client's call, and then
 * tells it "server exited unexpectedly".
 */
let server = 0
const socket = (): string => site.path(`tmux-${server}`)

function missing(programs: readonly string[]): string | null {
  const absent = programs.filter(program => spawnSync('sh', ['-c', 'command -v "$0"', program]).status !== 0)
  return absent.length === 0 ? null : `${absent.join(', ')} not installed (apt-get install tmux less vim-tiny)`
}

const tmux = (...args: readonly string[]): string =>
  execFileSync('tmux', ['-S', socket(), '-f', '/dev/null', ...args], { encoding: 'utf8' })
const screen = (): string => tmux('capture-pane', '-p', '-t', 'user').trimEnd()
const press = (...keys: readonly string[]): string => tmux('send-keys', '-t', 'user', ...keys)
const type = (text: string): string => tmux('send-keys', '-t', 'user', '-l', text)
const shows = (text: string | RegExp): Promise<true> =>
  until(
    `${text} on the screen`,
    () => (typeof text === 'string' ? screen().includes(text) : text.test(screen())) || null,
  ).catch(error => {
    throw new Error(`${String(error)}:\n${screen()}`)
  })

/** Types a command line, whose exit code appears after it. */
function enter(line: string): void {
  type(`${line}; echo "exit code" $?`)
  press('Enter')
}

const holdfast = (args: string): string => `${process.execPath} ${MAIN} ${args}`

beforeEach(context => {
  const reason = missing(['tmux', 'less', 'vi'])
  if (reason !== null) return context.skip(reason)
  server += 1
  tmux(
    'new-session',
    '-d',
    '-s',
    'user',
    '-x',
    '100',
    '-y',
    '20',
    '-e',
    `HOLDFAST_STORE=${site.store}`,
    '-e',
    'PS1=ready> ',
    'bash',
    '--norc',
  )
})

afterEach(() => {
  spawnSync('tmux', ['-S', socket(), 'kill-server'])
})
afterAll(() => site.clear())

describe('in a terminal', () => {
  const text = site.path('text')
  writeFileSync(text, Array.from({ length: 500 }, (_, index) => `line ${index + 1}\n`).join(''))

  test('less pages, searches, and ends with q', async () => {
    enter(holdfast(`run page -- less ${text}`))
    await shows('line 12')
    press('G')
    await shows('line 500')
    type('?line 250')
    press('Enter')
    await shows('line 250')
    press('q')
    await shows('exit code 0')
  })

  test('vi edits and saves', async () => {
    const file = site.path('edited')
    enter(holdfast(`run edit -- vi ${file}`))
    await shows('~')
    type('ihello')
    press('Escape')
    type(':wq')
    press('Enter')
    await shows('exit code 0')
    expect(readFileSync(file, 'utf8')).toBe('hello\n')
  })

  test('Ctrl-C ends the command, and holdfast after it', async () => {
    const file = site.path('interrupted')
    enter(holdfast(`run interrupted -- ${fixture('family.sh')} ${file}`))
    const pids = await until('the command', () => numbersIn(file))
    press('C-c')
    await shows('exit code 130')
    expect(pids.filter(isRunning)).toEqual([])
  })

  test('Ctrl-C is the program`s own: less goes on', async () => {
    enter(holdfast(`run page -- less ${text}`))
    await shows('line 12')
    press('C-c')
    // What is typed while less deals with the interrupt is thrown away.
    await until('the last line', () => {
      press('G')
      return screen().includes('line 500')
    })
    press('q')
    await shows('exit code 0')
  })

  test('Ctrl-Z suspends, fg continues', async () => {
    enter(holdfast(`run page -- less ${text}`))
    await shows('line 12')
    press('C-z')
    await shows('Stopped')
    await shows(/suspended; unless continued within [\d.]+ s/)
    type('clear; fg')
    press('Enter')
    await shows('line 12')
    press('G')
    await shows('line 500')
    press('q')
    await shows('ready>')
  })

  test('suspended for too long the command is ended, and fg says so', async () => {
    const file = site.path('suspended')
    enter(holdfast(`run suspended --ttl 2s -- ${fixture('family.sh')} ${file} stubborn`))
    const pids = await until('the command', () => numbersIn(file))
    press('C-z')
    await shows('Stopped')
    await until('the end of the command', () => !pids.some(isRunning))
    type('fg; echo "exit code" $?')
    press('Enter')
    await shows('exit code 76')
  })

  test('holdfast is killed (-9): command and child end, what is beside them in the group lives', async () => {
    const file = site.path('killed')
    enter(`${holdfast(`run killed --ttl 2s -- ${fixture('family.sh')} ${file} stubborn`)} | sleep 300`)
    const pids = await until('the command', () => numbersIn(file))
    const all = listProcesses()
    const holdfastItself = all.find(one => all.some(other => other.pid === pids[0] && other.parent === one.pid))
    const neighbour = all.find(
      one => one.group === holdfastItself?.group && one.pid !== holdfastItself.pid && !pids.includes(one.pid),
    )
    if (holdfastItself === undefined || neighbour === undefined) throw new Error('the pipeline is not as expected')
    process.kill(holdfastItself.pid, 'SIGKILL')
    await until('the end of the command', () => !pids.some(isRunning))
    expect(isRunning(neighbour.pid)).toBe(true)
  })

  test('a shell under the lock has its own jobs; they end with it', async () => {
    const file = site.path('jobs')
    enter(holdfast(`run shell -- bash --norc`))
    await shows(/ready> .*\n?.*ready>/s)
    type(`${fixture('family.sh')} ${file} &`)
    press('Enter')
    const pids = await until('the job', () => numbersIn(file))
    type('fg')
    press('Enter')
    await until('the job in the foreground', () => pids.every(isInForeground))
    press('C-z')
    await shows('Stopped')
    type('exit')
    press('Enter')
    type('exit')
    press('Enter')
    await shows(/exit code \d/)
    expect(pids.filter(isRunning)).toEqual([])
    expect(existsSync(file)).toBe(true)
  })
})
