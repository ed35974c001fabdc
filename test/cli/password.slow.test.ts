/** A store with a password: what a command is told of it, and how a holdfast inside a holdfast gets in. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSite, MAIN } from '../support/holdfast.ts'
import { redisServer } from '../support/redis-server.ts'
import type { RedisServer } from '../support/redis-server.ts'

const site = createSite()
const INSIDE = ['sh', '-c', '"$0" "$1" inspect outer; echo "$HOLDFAST_STORE"', process.execPath, MAIN]

let server: RedisServer
beforeAll(async () => {
  server = await redisServer('--requirepass', 'hid/den')
  writeFileSync(site.path('password'), 'hid/den\n')
})
afterAll(async () => {
  await server.close()
  site.clear()
})

test('the password in a file serves the command and what it starts, in another folder too', async () => {
  const where = ['--store', server.url]
  const env = { HOLDFAST_STORE: '', HOLDFAST_STORE_PASSWORD_FILE: site.path('password') }
  const command = ['sh', '-c', `cd /; exec "$@"`, 'sh', ...INSIDE]
  const { code, stdout, stderr } = await site.holdfast(['run', 'outer', ...where, '--', ...command], { env })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('outer: held')
  expect(stdout).toContain(server.url)
  expect(stdout).not.toContain('den')
})

test('the password in the address is not handed on, and the nested command says how it could be', async () => {
  const store = server.url.replace('://', '://:hid%2Fden@')
  const { code, stdout, stderr } = await site.holdfast(['run', 'outer', '--store', store, '--', ...INSIDE])
  expect(code).toBe(0)
  expect(stdout).not.toContain('den')
  expect(stderr).toContain('HOLDFAST_STORE_PASSWORD_FILE')
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
})
