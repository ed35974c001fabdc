/** `holdfast migrate`, on a server of its own. */
import { randomUUID } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { createSite } from '../../support/holdfast.ts'
import { ask } from '../../support/postgres.ts'
import { describeWithStore } from '../../support/stores.ts'

const site = createSite()
afterAll(() => site.clear())

test('a store that needs no tables needs no migration', async () => {
  const { code, stdout } = await site.holdfast(['migrate', 'sqlite:locks.db'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'sqlite:locks.db needs no migration\n' })
  expect(await site.holdfast(['migrate', 'sqlite:locks.db', '--print'])).toMatchObject({ code: 0, stdout: '\n' })
})

describeWithStore('postgres', 'on PostgreSQL', url => {
  const fresh = (): string => `${url}?schema=${`migrate_${randomUUID()}`}`

  test('locks are refused until it has run; it may run again', async () => {
    const address = fresh()
    const before = await site.holdfast(['ls', '--store', address])
    expect(before.code).toBe(64)
    expect(before.stderr).toContain('Run "holdfast migrate"')
    expect(await site.holdfast(['migrate', address])).toMatchObject({
      code: 0,
      stdout: `${address} has layout 1 now\n`,
    })
    const again = await site.holdfast(['migrate', '--json'], { env: { HOLDFAST_STORE: address } })
    expect(JSON.parse(again.stdout)).toEqual({ version: 1, store: address, before: 1, layout: 1 })
    expect((await site.holdfast(['run', 'a', '--store', address, '--', 'true'])).code).toBe(0)
  })

  test('what it prints does the same', async () => {
    const address = fresh()
    const { code, stdout } = await site.holdfast(['migrate', '--print', address])
    expect(code).toBe(0)
    await ask(url, stdout)
    expect((await site.holdfast(['run', 'a', '--store', address, '--', 'true'])).code).toBe(0)
  })

  test('an older layout becomes the present one, and a newer is left alone', async () => {
    const address = fresh()
    const schema = address.replace(/^.*=/, '')
    await site.holdfast(['migrate', address])
    await ask(url, `UPDATE "${schema}".holdfast_layout SET layout = 0`)
    expect((await site.holdfast(['ls', '--store', address])).stderr).toContain(
      'has layout 0, and this holdfast needs 1',
    )
    expect((await site.holdfast(['migrate', address])).stdout).toContain('has layout 1 now; it had 0')
    await ask(url, `UPDATE "${schema}".holdfast_layout SET layout = 2`)
    const refused = await site.holdfast(['migrate', address])
    expect(refused.code).toBe(64)
    expect(refused.stderr).toContain('layout 2 is there, which a newer holdfast made')
  })

  test('the tables of holdfast/sql come along where they are asked for', async () => {
    const address = fresh()
    const table = `SELECT to_regclass('"${address.replace(/^.*=/, '')}".holdfast_fences') IS NULL`
    await site.holdfast(['migrate', address])
    expect(await ask(url, table)).toEqual([true])
    for (const _ of ['first', 'again']) expect((await site.holdfast(['migrate', '--fences', address])).code).toBe(0)
    expect(await ask(url, table)).toEqual([false])
  })

  test('a password stands neither in what it says nor in what it refuses', async () => {
    const address = url.replace('test@', 'test:secret@')
    const { stdout, stderr } = await site.holdfast(['migrate', `${address}?schema=${randomUUID()}`])
    expect(stdout + stderr).not.toContain('secret')
    expect(stdout).toContain('has layout 1 now')
  })
})
