import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { commandReader } from '../../../src/lab/faults/resp.ts'
import { seeded } from '../../../src/lab/faults/random.ts'

function encode(words: readonly string[]): Buffer {
  return Buffer.from(`*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
}

test('commands are found however the bytes are cut', () => {
  const word = fc.oneof(fc.string({ minLength: 1 }), fc.constant('$3\r\nfoo\r\n'), fc.constant('*1\r\n'))
  const command = fc
    .tuple(fc.constantFrom('get', 'EVALSHA', 'Set'), fc.array(word))
    .map(([name, rest]) => [name, ...rest])
  fc.assert(
    fc.property(fc.array(command), fc.array(fc.nat(200)), (commands, cuts) => {
      const all = Buffer.concat(commands.map(encode))
      const reader = commandReader()
      const found = []
      let from = 0
      for (const size of [...cuts, all.length]) {
        found.push(...reader.read(all.subarray(from, from + size)))
        from = Math.min(all.length, from + size)
      }
      expect(found.map(({ name }) => name)).toEqual(commands.map(([name]) => name?.toUpperCase()))
      expect(Buffer.concat(found.map(({ bytes }) => bytes))).toEqual(all)
    }),
  )
})

test('inline commands and lines that are no command do not stop the reading', () => {
  const reader = commandReader()
  expect(reader.read(Buffer.from('ping\r\n\r\n*1\r\n:5\r\nget a\r\n')).map(({ name }) => name)).toEqual(['PING', 'GET'])
})

test('the same seed plays the same faults', () => {
  const [first, second, other] = [seeded(3), seeded(3), seeded(4)]
  const draws = Array.from({ length: 100 }, () => first())
  expect(draws).toEqual(Array.from({ length: 100 }, () => second()))
  expect(draws).not.toEqual(Array.from({ length: 100 }, () => other()))
  expect(draws.every(draw => draw >= 0 && draw < 1)).toBe(true)
})
