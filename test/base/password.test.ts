import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { withPasswordOfFile } from '../../src/base/password.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-password-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, text: string): NodeJS.ProcessEnv => {
  writeFileSync(join(folder, name), text)
  return { HOLDFAST_STORE_PASSWORD_FILE: join(folder, name) }
}
const environment = file('password', 'p@ss/wörd:1\n')
const password = 'p%40ss%2Fw%C3%B6rd%3A1'

describe('the password of a file', () => {
  test.each([
    ['redis://host:6379/0', `redis://:${password}@host:6379/0`],
    ['redis://user@host?x=1', `redis://user:${password}@host?x=1`],
    ['redlock://a:1,b:2,c:3', `redlock://:${password}@a:1,b:2,c:3`],
    ['redis+sentinel://u@a,b/main', `redis+sentinel://u:${password}@a,b/main`],
  ])('goes into %s', (address, whole) => {
    expect(withPasswordOfFile(address, environment)).toBe(whole)
  })

  test.each([
    'redis://:own@host',
    'redis://user:own@host',
    'sqlite:/var/lib/locks.db',
    'sqlite:',
    'sqlite:///x/locks.db',
  ])('does not go into %s', address => {
    expect(withPasswordOfFile(address, environment)).toBe(address)
  })

  test('is not asked for where no file is named, and a file without one is refused by name', () => {
    expect(withPasswordOfFile('redis://host', {})).toBe('redis://host')
    expect(() => withPasswordOfFile('redis://host', file('empty', '\n'))).toThrow('begins with no password')
    expect(() => withPasswordOfFile('redis://host', { HOLDFAST_STORE_PASSWORD_FILE: join(folder, 'missing') })).toThrow(
      'cannot be read',
    )
  })
})
