import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { hurtable, startChild } from '../../src/servers/child.ts'

const COUNTS = ['-e', 'let n = 0; setInterval(() => console.log(n++), 5)']

test('a paused child does nothing until it is continued', async () => {
  const child = await startChild(process.execPath, COUNTS, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const { stdout } = child.process
    if (stdout === null) throw new Error('the child has no stdout')
    let lines = 0
    createInterface({ input: stdout }).on('line', () => (lines += 1))
    await once(stdout, 'data')
    await child.pause()
    // What was written before the stop may still be in the pipe.
    await new Promise(resolve => setTimeout(resolve, 50))
    const before = lines
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(lines).toBe(before)
    child.resume()
    await once(stdout, 'data')
    expect(child.running()).toBe(true)
  } finally {
    expect(await child.kill()).toEqual({ code: null, signal: 'SIGKILL' })
  }
})

test('a child that will not end is killed after the grace, also when it is paused', async () => {
  const child = await startChild(
    process.execPath,
    ['-e', 'process.on("SIGTERM", () => {}); console.log(1); setInterval(() => {}, 1000)'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  if (child.process.stdout !== null) await once(child.process.stdout, 'data')
  await child.pause()
  expect(await child.stop({ graceMs: 100 })).toEqual({ code: null, signal: 'SIGKILL' })
  expect(child.running()).toBe(false)
})

test('how a child ended is told also to who asks later', async () => {
  const process_ = spawn(process.execPath, ['-e', 'process.exit(7)'])
  await once(process_, 'exit')
  const child = hurtable(process_)
  expect(await child.exited).toEqual({ code: 7, signal: null })
  await child.pause()
  expect(await child.kill()).toEqual({ code: 7, signal: null })
})

test('a program that does not exist is an error, not a crash', async () => {
  await expect(startChild('/no/such/program', [])).rejects.toThrow('/no/such/program could not be started')
})
