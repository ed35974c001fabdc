/** The command line and the laboratory on locks behind a holdfast server, which asks for a secret. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSite, until } from '../support/holdfast.ts'
import { httpServer } from '../support/http-server.ts'
import type { HttpServer } from '../support/http-server.ts'

const SECRET = 'correct-horse'
const site = createSite()
let server: HttpServer
beforeAll(async () => void (server = await httpServer(`sqlite:${site.path('behind.db')}`, SECRET)))
afterAll(async () => {
  await server.close()
  site.clear()
})

test('run, ls, inspect and revoke', async () => {
  const store = ['--store', `${server.url('s')}?namespace=cli`]
  const run = site.start(['run', 'report', ...store, '--ttl', '20s', '--', 'sleep', '600'])
  const listed = await until('the lock', async () => {
    const { stdout } = await site.holdfast(['ls', ...store])
    return stdout.includes('report') ? stdout : null
  })
  expect(listed).toMatch(/^report +\S+:\d+ +\d{16}/m)
  expect(await site.holdfast(['inspect', 'report', ...store])).toHaveProperty('code', 0)
  const refused = await site.holdfast(['run', 'report', ...store, '-n', '--', 'true'])
  expect(refused).toHaveProperty('code', 75)
  expect(await site.holdfast(['revoke', 'report', '--reason', 'a new release', ...store])).toHaveProperty('code', 0)
  expect(await run.finished).toHaveProperty('code', 76)
  expect(await site.holdfast(['ls', ...store])).toMatchObject({ code: 0, stdout: '' })
})

test('the secret may lie in a file, and is told to nobody', async () => {
  const file = site.path('secret')
  writeFileSync(file, `${SECRET}\n`)
  const env = {
    HOLDFAST_STORE: server.url('s').replace(`:${SECRET}@`, ''),
    HOLDFAST_STORE_PASSWORD_FILE: file,
  }
  const program = ['sh', '-c', 'echo $HOLDFAST_STORE']
  const { code, stdout, stderr } = await site.holdfast(['run', 'k', '--', ...program], { env })
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${env.HOLDFAST_STORE}\n`, stderr: '' })
  const without = await site.holdfast(['ls'], { env: { ...env, HOLDFAST_STORE_PASSWORD_FILE: '' } })
  expect(without).toMatchObject({ code: 64, stdout: '' })
  expect(without.stderr).toContain('A secret is needed')
})

test('a server that is not there is an outage', async () => {
  const dead = await httpServer('memory:')
  const url = dead.url('s')
  await dead.close()
  const { code, stderr } = await site.holdfast(['ls', '--store', url])
  expect(code).toBe(69)
  expect(stderr).toContain('ECONNREFUSED')
})

test('the laboratory of the employee, its mutex behind the server', async () => {
  const words = ['lab', 'employee', '--duration', '2s', '--interval', '100ms', '--ways', 'none,mutex']
  const { code, stdout, stderr } = await site.holdfast([...words, '--store', server.url('s')])
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('mutex')
  expect(stdout).not.toContain(SECRET)
})
