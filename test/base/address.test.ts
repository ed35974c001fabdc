import { describe, expect, test } from 'vitest'
import { withoutPassword } from '../../src/base/address.ts'

describe('an address without its passwords', () => {
  test.each([
    ['redis://user:secret@host:6379/0', 'redis://user@host:6379/0'],
    ['redis://:secret@host', 'redis://host'],
    ['redlock://:secret@a:1,:secret@b:2,c:3', 'redlock://a:1,b:2,c:3'],
    ['mongodb://u:secret@a,b,c/db?replicaSet=r', 'mongodb://u@a,b,c/db?replicaSet=r'],
    [
      'postgres://u:se,cret@host/db?sslmode=require&password=secret&x=1',
      'postgres://u@host/db?sslmode=require&password=&x=1',
    ],
    ['redis://u:sec@ret@host', 'redis://u@host'],
    ['redis://:sec/ret@host', 'redis://host'],
    ['http://u@host', 'http://u@host'],
    ['redis://u:sec/ret@host:1/0', 'redis://u@host:1/0'],
    ['sqlite:/var/lib/a@b:c/locks.db', 'sqlite:/var/lib/a@b:c/locks.db'],
    ['sqlite:', 'sqlite:'],
  ])('%s', (address, shown) => {
    expect(withoutPassword(address)).toBe(shown)
  })
})
