/**
 * docs/reference.md names every option, event and error that the types have, with their fields, and nothing else. The
 * options of drivers stand in the drivers' own pages.
 */
import { describe, expect, test } from 'vitest'
import * as errors from '../../src/base/errors.ts'
import { EVENT_TYPES } from '../../src/core/events.ts'
import { read, withoutComments } from '../tidy/sources.ts'

const page = read('docs/reference.md')
const types = withoutComments(read('src/locks/types.ts'))

/** The rows of all tables between a heading and the next of any depth: each cell's words in backquotes. */
function rowsOf(heading: string, text = page): readonly (readonly (readonly string[])[])[] {
  const section = text.split(/^#{2,3} /m).find(part => part.startsWith(`${heading}\n`)) ?? ''
  return section
    .split('\n')
    .filter(line => line.startsWith('| `'))
    .map(line => line.split(' |').map(cell => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)))
}

const namesOf = (heading: string, text = page): readonly string[] =>
  rowsOf(heading, text).flatMap(([names = []]) => names)

/** What is between the first brace after `start` and the one that closes it. */
function bodyOf(source: string, start: string): string {
  const from = source.indexOf('{', source.indexOf(start) + start.length - 1)
  if (!source.includes(start)) throw new Error(`no "${start}" to read fields from`)
  let depth = 0
  for (let at = from; at < source.length; at += 1) {
    if (source[at] === '{') depth += 1
    if (source[at] === '}') depth -= 1
    if (depth === 0) return source.slice(from + 1, at)
  }
  throw new Error(`"${start}" is never closed`)
}

/** Readonly fields of an object type, those of an object inside left out. */
function fieldsOf(source: string, start: string): readonly string[] {
  const flat = bodyOf(source, start).replace(/\{[^{}]*\}/g, '')
  return [...flat.matchAll(/\breadonly (\w+)\??:/g)].map(([, name = '']) => name)
}

const sorted = (names: Iterable<string>): readonly string[] => [...new Set(names)].toSorted()

describe('options', () => {
  test('of all locks', () => {
    const cohort = fieldsOf(types, 'readonly cohort?: {')
    const open = fieldsOf(withoutComments(read('src/open.ts')), 'interface OpenOptions extends LocksOptions {')
    const all = [...fieldsOf(types, 'interface LocksOptions {'), ...cohort, ...open]
    expect(all).toEqual(expect.arrayContaining(['ttl', 'journal', 'contendedFor', 'namespace']))
    expect(namesOf('Of all locks').toSorted()).toEqual(all.toSorted())
  })

  test('of one lock', () => {
    expect(types).toContain('export type AcquireOptions = LockOptions & Kind')
    expect(types).toContain("export type TryOptions = Omit<LockOptions, 'wait'> & Kind")
    const all = [...fieldsOf(types, 'interface LockOptions {'), 'mode', 'limit']
    expect(namesOf('Of one lock').toSorted()).toEqual(all.toSorted())
  })

  test('of single calls', () => {
    const calls = ['election', 'campaign', 'lead', 'observe', 'revoke', 'close']
    const there = calls.flatMap(call => {
      const declared = new RegExp(`^  ${call}\\([^]*?options\\??: \\{([^}]*)\\}`, 'm').exec(types)?.[1] ?? ''
      expect(declared, call).not.toBe('')
      return [...declared.matchAll(/readonly (\w+)\??:/g)].map(([, name]) => `${call} ${name}`)
    })
    const told = rowsOf('Of single calls').map(([[call = ''] = [], [option = ''] = []]) => `${call} ${option}`)
    expect(told.toSorted()).toEqual(there.toSorted())
  })

  test.each([
    ['memory', 'MemoryStoreOptions {'],
    ['sqlite', 'SqliteStoreOptions {'],
    ['redis', 'RedisStoreOptions {'],
    ['redlock', "RedlockStoreOptions extends Omit<OpenOptions, 'sentinel'> {"],
    ['postgres', 'PostgresStoreOptions {'],
    ['mysql', 'MysqlStoreOptions {'],
    ['memcached', 'MemcachedStoreOptions {'],
    ['zookeeper', 'ZookeeperStoreOptions {'],
    ['http', 'HttpStoreOptions {'],
    ['mongodb', 'MongodbStoreOptions {'],
    ['etcd', 'EtcdStoreOptions {'],
    ['consul', 'ConsulStoreOptions {'],
  ])('of %s, in its page', (driver, start) => {
    const own = fieldsOf(withoutComments(read(`src/drivers/${driver}.ts`)), `interface ${start}`)
    const inherited = start.includes('extends')
      ? fieldsOf(withoutComments(read('src/drivers/redis/address.ts')), 'interface OpenOptions {').filter(
          name => !start.includes(`'${name}'`),
        )
      : []
    const told = namesOf('Options', read(`docs/drivers/${driver}.md`))
    expect(own.length).toBeGreaterThan(1)
    expect(told.toSorted()).toEqual([...own, ...inherited].toSorted())
  })
})

describe('events', () => {
  const source = withoutComments(read('src/core/types.ts'))
  const [, union = ''] = source.split('export type LockEvent =')
  const declared = new Map(
    [...union.matchAll(/\{([^{}]*)\}/g)].flatMap(([, body = '']) => {
      const [, kinds = ''] = /type: ([^;\n]+)/.exec(body) ?? []
      const fields = [...body.matchAll(/readonly (\w+):/g)].map(([, name = '']) => name).filter(name => name !== 'type')
      return [...kinds.matchAll(/'([^']+)'/g)].map(([, kind = '']) => [kind, fields] as const)
    }),
  )

  test('each with its fields', () => {
    expect(sorted(declared.keys())).toEqual(sorted(EVENT_TYPES))
    const told = new Map(rowsOf('Events').map(([[name = ''] = [], fields = []]) => [name, fields] as const))
    expect(told).toEqual(declared)
  })
})

describe('errors', () => {
  const source = withoutComments(read('src/base/errors.ts'))
  const rows = rowsOf('Errors').map(([[name = ''] = [], [code = ''] = [], fields = []]) => ({ name, code, fields }))

  test('each with its code and its fields', () => {
    const there = Object.entries(errors).map(([name, HoldfastError]) => ({
      name,
      code: new HoldfastError('x').code,
      fields: fieldsOf(source, `class ${name} extends `).filter(
        field => !['name', ...(name === 'HoldfastError' ? [] : ['code'])].includes(field),
      ),
    }))
    expect(there.length).toBeGreaterThan(5)
    expect(rows).toEqual(there)
  })

  test('and every reason of a loss', () => {
    const [, reasons = ''] = /type LeaseLostReason =([^\n]*(?:\n {2}\|[^\n]*)*)/.exec(read('src/base/view.ts')) ?? []
    const there = [...reasons.matchAll(/'([\w-]+)'/g)].map(([, reason]) => reason)
    expect(there).toContain('expired')
    expect(namesOf('Why a lease is lost')).toEqual(there)
  })
})

test('what is read out of a type is what is in it', () => {
  expect(
    fieldsOf('interface A {\n  readonly a?: B<{ readonly x: 1 }>\n  readonly b: number\n}', 'interface A {'),
  ).toEqual(['a', 'b'])
  expect(() => fieldsOf('interface A {}', 'interface B {')).toThrow('no "interface B {"')
})
