/** `holdfast run` with real children: what passes through, what signals reach, what is left when it ends. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { DatabaseSync } from '@photostructure/sqlite'
import { open } from '../../src/index.ts'
import { listProcesses } from '../../src/cli/run/processes.ts'
import { createSite, fixture, isRunning, numbersIn, until } from '../support/holdfast.ts'
import type { Running } from '../support/holdfast.ts'

const site = createSite()
afterAll(() => site.clear())

const linesIn = (path: string): readonly string[] =>
  readFileSync(path, { encoding: 'utf8', flag: 'a+' }).trim().split('\n')
const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

describe('passes through', () => {
  test('stdin, stdout, stderr and the exit code', async () => {
    const { code, stdout, stderr } = await site.holdfast(
      ['run', 'pipe', '--', 'sh', '-c', 'cat; echo problem >&2; exit 42'],
      { input: 'some\ninput\n' },
    )
    expect({ code, stdout, stderr }).toEqual({ code: 42, stdout: 'some\ninput\n', stderr: 'problem\n' })
  })

  test('a great deal of output', async () => {
    const { stdout } = await site.holdfast(['run', 'much', '--', 'sh', '-c', 'seq 1 200000'])
    expect(stdout.trimEnd().split('\n')).toHaveLength(200_000)
  })

  test('the arguments as they are: no shell touches them', async () => {
    const odd = ['a b', '$HOME', '*', `"'`, '', '-n', '\\', ';true', 'é€😀']
    const { stdout } = await site.holdfast([
      'run',
      'words',
      '--',
      process.execPath,
      '-p',
      'JSON.stringify(process.argv.slice(1))',
      '--',
      ...odd,
    ])
    expect(JSON.parse(stdout)).toEqual(odd)
  })

  test('the environment, with names that no shell would pass on', async () => {
    const { stdout } = await site.holdfast(['run', 'names', '--', 'env'], {
      env: { 'odd.name-1': 'a=b c', PLAIN: 'yes' },
    })
    expect(stdout).toContain('odd.name-1=a=b c\n')
    expect(stdout).toContain('PLAIN=yes\n')
  })

  test('key, token and store, without the password of the store', async () => {
    const show = 'echo "$HOLDFAST_KEY|$HOLDFAST_FENCING_TOKEN|$HOLDFAST_STORE"'
    const { stdout } = await site.holdfast(['run', 'Cafe\u0301', '--', 'sh', '-c', show])
    const [key, token, store] = stdout.trim().split('|')
    expect([key, store]).toEqual(['Caf\u00e9', site.store])
    expect(Number.isSafeInteger(Number(token)) && Number(token) > 0).toBe(true)
  })

  test('128 + n when a signal ends the command', async () => {
    expect((await site.holdfast(['run', 'self', '--', 'sh', '-c', 'kill -TERM $$'])).code).toBe(143)
    expect((await site.holdfast(['run', 'self', '--', 'sh', '-c', 'kill -KILL $$'])).code).toBe(137)
  })

  test('126 and 127 as a shell does, without taking the lock', async () => {
    const missing = await site.holdfast(['run', 'none', '--', 'no-such-program-anywhere'])
    expect(missing).toMatchObject({ code: 127, stderr: 'holdfast: no-such-program-anywhere: command not found\n' })
    const plain = await site.holdfast(['run', 'none', '--', fixture('../../../package.json')])
    expect(plain.code).toBe(126)
    expect(plain.stderr).toContain('permission denied')
  })
})

describe('signals', () => {
  test('reach the command and its child, and do not end holdfast before them', async () => {
    const file = site.path('signals')
    const running = site.start(['run', 'signals', '--', fixture('listener.sh'), file])
    await until('both to listen', () => linesIn(file).filter(line => line.endsWith('ready')).length === 2)
    const heard = (word: string): number => linesIn(file).filter(line => line.endsWith(word)).length
    // What a shell starts in the background does not hear SIGINT.
    running.child.kill('SIGINT')
    await until('SIGINT', () => heard('INT') === 1)
    for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTERM'] as const) {
      running.child.kill(signal)
      await until(signal, () => heard(signal.slice(3)) === 2)
    }
    expect((await running.finished).code).toBe(5)
  })

  test('while it waits end the waiting, and nothing is left in the queue', async () => {
    const locks = await open(site.store)
    const lease = await locks.acquire('busy')
    const running = site.start(['run', 'busy', '--', 'true'])
    await until('it to say whom it waits for', () => running.stderr().includes('\n'))
    expect(running.stderr()).toMatch(/^holdfast: waiting for "busy", held by \S+:\d+ for [\d.]+ m?s\n$/)
    await until('it to wait', async () => (await locks.inspect('busy'))?.waiters.length === 1)
    running.child.kill('SIGINT')
    expect((await running.finished).code).toBe(130)
    expect((await locks.inspect('busy'))?.waiters).toEqual([])
    await lease.release()
    await locks.close()
  })
})

describe('what the command leaves running', () => {
  test('is ended before the lock is given back', async () => {
    const file = site.path('orphan')
    const { code } = await site.holdfast(['run', 'orphan', '--', fixture('orphan.sh'), file])
    expect(code).toBe(7)
    expect(numbersIn(file)?.filter(isRunning)).toEqual([])
  })

  test('keeps the lock until it is gone, and is killed after the grace', async () => {
    const file = site.path('stubborn')
    const running = site.start(['run', 'stubborn', '--ttl', '3s', '--', fixture('orphan.sh'), file, 'stubborn'])
    const [orphan = -1] = await until('the orphan', () => numbersIn(file))
    const locks = await open(site.store)
    await locks.acquire('stubborn', { wait: '20s' })
    expect(isRunning(orphan)).toBe(false)
    await locks.close({ drain: 0 })
    expect((await running.finished).code).toBe(7)
  })
})

describe('the lease is lost', () => {
  test('revoked: the command is asked to end, the exit code is 76, and the reason is told', async () => {
    const file = site.path('revoked')
    const running = site.start(['run', 'revoked', '--', fixture('listener.sh'), file])
    await until('it to run', () => linesIn(file).filter(line => line.endsWith('ready')).length === 2)
    const revoked = await site.holdfast(['revoke', 'revoked', '--reason', 'making room'])
    expect(revoked.code).toBe(0)
    const { code, stderr } = await running.finished
    expect(code).toBe(76)
    expect(stderr).toContain('making room')
    expect(linesIn(file)).toContain('command TERM')
  })

  test('the store does not answer: asked at the grace, killed before another can hold', async () => {
    const file = site.path('deaf')
    const running = site.start(['run', 'deaf', '--ttl', '3s', '--', fixture('family.sh'), file, 'stubborn'])
    const pids = await until('it to run', () => numbersIn(file))
    // Whoever else wants to write to the store file now waits.
    const database = new DatabaseSync(site.path('locks.db'))
    database.exec('BEGIN IMMEDIATE')
    const { code, stderr } = await running.finished.finally(() => {
      database.exec('ROLLBACK')
      database.close()
    })
    expect(code, stderr).toBe(76)
    expect(stderr).toContain('could not be renewed')
    expect(pids.filter(isRunning)).toEqual([])
  })

  test('--max-hold is over: the command is stopped', async () => {
    const { code, stderr } = await site.holdfast(['run', 'long', '--max-hold', '1500ms', '--', 'sleep', '60'])
    expect(code, stderr).toBe(76)
    expect(stderr).toContain('its --max-hold is over')
    expect(stderr).not.toContain('renewed')
  })

  test('--max-hold longer than the ttl is over: it is renewed until then, and no store is blamed', async () => {
    const before = Date.now()
    const args = ['run', 'longer', '--ttl', '1s', '--max-hold', '2500ms', '--', 'sleep', '60']
    const { code, stderr } = await site.holdfast(args)
    expect(code, stderr).toBe(76)
    expect(stderr).toContain('its --max-hold is over')
    expect(Date.now() - before).toBeGreaterThan(1_500)
  })
})

describe('the guard', () => {
  const guardsOf = (running: Running, pids: readonly number[]): readonly number[] =>
    listProcesses()
      .filter(one => one.parent === running.pid && !one.dead && !pids.includes(one.pid))
      .map(one => one.pid)

  test('asks before it kills when holdfast is killed', async () => {
    const file = site.path('asked')
    const tidy = `trap 'sleep 0.5; echo tidied >>${file}; exit' TERM; echo ready >>${file}; while :; do sleep 0.05; done`
    const running = site.start(['run', 'asked', '--', 'sh', '-c', tidy])
    await until('it to run', () => linesIn(file).includes('ready'))
    running.child.kill('SIGKILL')
    await until('it to have tidied up', () => linesIn(file).includes('tidied'))
  })

  test('kills at once when the command was asked already: whoever killed holdfast has waited', async () => {
    const file = site.path('nested')
    const running = site.start(['run', 'nested', '--', fixture('family.sh'), file, 'stubborn'])
    const pids = await until('it to run', () => numbersIn(file))
    running.child.kill('SIGTERM')
    await sleep(300)
    expect(pids.every(isRunning)).toBe(true)
    const killedAt = Date.now()
    running.child.kill('SIGKILL')
    await until('the end of the command', () => !pids.some(isRunning))
    expect(Date.now() - killedAt).toBeLessThan(4_000)
  })

  test('is replaced when somebody kills it, and the new one guards', async () => {
    const file = site.path('guarded')
    const running = site.start(['run', 'guarded', '--', fixture('family.sh'), file])
    const pids = await until('it to run', () => numbersIn(file))
    const guards = (): readonly number[] => guardsOf(running, pids)
    const [first = -1] = guards()
    process.kill(first, 'SIGTERM')
    await sleep(200)
    expect(guards()).toEqual([first])
    process.kill(first, 'SIGKILL')
    const second = await until('another', () => guards().find(pid => pid !== first))
    await sleep(1_000)
    expect(pids.every(isRunning)).toBe(true)
    running.child.kill('SIGKILL')
    await until('the end of the command', () => !pids.some(isRunning))
    await until('the end of the guard', () => !isRunning(second))
  })

  test('is replaced when it does not answer, and the new one guards', async () => {
    const file = site.path('deaf-guard')
    const running = site.start(['run', 'deaf-guard', '--', fixture('family.sh'), file])
    const pids = await until('it to run', () => numbersIn(file))
    const [first = -1] = guardsOf(running, pids)
    process.kill(first, 'SIGSTOP')
    const second = await until('another', () => guardsOf(running, pids).find(pid => pid !== first))
    await until('the end of the first', () => !isRunning(first))
    await sleep(1_000)
    expect(pids.every(isRunning)).toBe(true)
    expect(guardsOf(running, pids)).toEqual([second])
    running.child.kill('SIGKILL')
    await until('the end of the command', () => !pids.some(isRunning))
    await until('the end of the guard', () => !isRunning(second))
  })

  test('that stood still for a while reads the news before it acts', async () => {
    const file = site.path('slow-guard')
    const running = site.start(['run', 'slow-guard', '--ttl', '2s', '--', fixture('family.sh'), file])
    const pids = await until('it to run', () => numbersIn(file))
    const [guard = -1] = guardsOf(running, pids)
    process.kill(guard, 'SIGSTOP')
    await sleep(1_900)
    process.kill(guard, 'SIGCONT')
    await sleep(800)
    expect(pids.every(isRunning)).toBe(true)
    running.child.kill('SIGTERM')
    await running.finished
  })

  test('that cannot be kept ends the job', async () => {
    const child = spawn(process.execPath, [fixture('unkept.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', piece => (said += String(piece)))
    await new Promise(resolve => child.on('close', resolve))
    expect(said).toBe('unkept true\n')
  })

  test('kills a holdfast that stands still when its command is dead and its time over, and not before', async () => {
    const file = site.path('stopped')
    const running = site.start(['run', 'stopped', '--ttl', '2s', '--', fixture('family.sh'), file])
    const pids = await until('it to run', () => numbersIn(file))
    const before = Date.now()
    running.child.kill('SIGSTOP')
    await until('the end of the command', () => !pids.some(isRunning))
    const { code, signal } = await running.finished
    expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' })
    expect(Date.now() - before).toBeGreaterThan(1_000)
  })

  test('is gone when holdfast is', async () => {
    const running = site.start(['run', 'short', '--', 'sleep', '0.3'])
    const guard = await until('the guard', () => listProcesses().find(one => one.parent === running.pid))
    await running.finished
    expect(isRunning(guard.pid)).toBe(false)
  })

  test('of a run that waits is there before its turn, and goes when the waiting ends', async () => {
    const locks = await open(site.store)
    const lease = await locks.acquire('patient')
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const running = site.start(['run', 'patient', '--', 'true'])
      const guard = await until('the guard', () => listProcesses().find(one => one.parent === running.pid))
      await until('it to wait', async () => (await locks.inspect('patient'))?.waiters.length === 1)
      expect(isRunning(guard.pid)).toBe(true)
      running.child.kill(signal)
      await running.finished
      await until('the end of the guard', () => !isRunning(guard.pid))
    }
    await lease.release()
    await locks.close()
  })
})

describe('sharing', () => {
  test('--limit 2 lets two in, and -n a third away with 75', async () => {
    const files = [site.path('permit-1'), site.path('permit-2')]
    const two = files.map(file => site.start(['run', 'permits', '--limit', '2', '--', fixture('family.sh'), file]))
    for (const file of files) await until('both to run', () => numbersIn(file))
    const third = await site.holdfast(['run', 'permits', '--limit', '2', '-n', '--', 'true'])
    expect(third.code).toBe(75)
    expect(third.stderr).toMatch(/^holdfast: "permits" is held by \S+ for .* and 1 more\n$/)
    for (const { child } of two) child.kill('SIGTERM')
    await Promise.all(two.map(({ finished }) => finished))
  })

  test('--min-hold keeps the lock taken after the command', async () => {
    expect((await site.holdfast(['run', 'once', '--min-hold', '1h', '--', 'true'])).code).toBe(0)
    expect((await site.holdfast(['run', 'once', '-n', '-E', '0', '--', 'false'])).code).toBe(0)
  })
})
