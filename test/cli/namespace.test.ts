/** Namespaces on the command line: those of the library, by the same three ways. */
import { afterAll, expect, test } from 'vitest'
import { open } from '../../src/index.ts'
import { createSite, MAIN } from '../support/holdfast.ts'

const site = createSite()
afterAll(() => site.clear())

test('a lock of a namespace is seen by --namespace, by the address and by the environment, and only so', async () => {
  const locks = await open(site.store, { namespace: 'app', holder: 'A' })
  const lease = await locks.acquire('k')
  const ways = [
    { args: ['--namespace', 'app'] },
    { args: ['--store', `${site.store}?namespace=app`] },
    { args: [], env: { HOLDFAST_NAMESPACE: 'app' } },
    { args: ['--namespace', 'app', '--store', `${site.store}?namespace=other`], env: { HOLDFAST_NAMESPACE: 'third' } },
  ]
  for (const { args, ...options } of ways) {
    expect((await site.holdfast(['ls', ...args], options)).stdout).toContain('A')
    expect((await site.holdfast(['inspect', 'k', ...args], options)).code).toBe(0)
    expect((await site.holdfast(['run', 'k', '-n', ...args, '--', 'true'], options)).code).toBe(75)
  }
  expect((await site.holdfast(['inspect', 'k'])).code).toBe(1)
  expect((await site.holdfast(['revoke', 'k', '--reason', 'r'])).stdout).toContain('nothing to revoke')
  const revoked = await site.holdfast(['revoke', 'k', '--reason', 'r', '--namespace', 'app'])
  expect(revoked.stdout).toContain('revoked 1')
  await lease.release()
  await locks.close()
})

test.each([
  ['the option', ['--namespace', 'app']],
  ['the address', ['--store', `${site.store}?namespace=app`]],
])('what a command starts works in the same namespace, given by %s', async (_way, args) => {
  const nested = ['run', 'outer', ...args, '--', 'sh', '-c', '"$0" "$1" inspect outer', process.execPath, MAIN]
  expect(await site.holdfast(nested)).toMatchObject({ code: 0, stdout: expect.stringContaining('outer: held') })
})
