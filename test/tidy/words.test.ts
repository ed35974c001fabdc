/** One word for each thing: a reader who meets two looks for the difference. The glossary is in CONTRIBUTING.md. */
import { describe, expect, test } from 'vitest'
import { codeOnly, filesOf, librarySources, linesThat } from './sources.ts'

/** Words of identifiers, whatever the case and the neighbours: lockOwner, owner_id, OwnerError. */
const NOT_IN_CODE: Readonly<Record<string, string>> = {
  owner: 'holder, for people; ticket, for a place in the queue',
  tombstone: 'forbidden',
  prune: 'sweep',
  gc: 'sweep',
  backend: 'store, or driver for our code',
  provider: 'store, or driver for our code',
  epoch: 'token',
  steal: 'revoke',
}
/** Whole identifiers. */
const NOT_A_NAME: Readonly<Record<string, string>> = {
  lockId: 'id, of a ticket',
  lockName: 'key',
  resourceName: 'key',
  lockTimeout: 'ttl',
  lockTtl: 'ttl',
  extend: 'renew',
  keepAliveLock: 'renew',
  acquireImmediately: 'tryAcquire',
  withLock: 'run',
  using: 'run',
  forceRelease: 'revoke',
  safetyLevel: 'guarantee',
}
const NOT_IN_TEXT: Readonly<Record<string, string>> = {
  'tombstones?': 'forbidden',
  'back-?ends?': 'store or driver',
  'lock owners?': 'holder',
  'lock handles?': 'lease',
  'safety levels?': 'guarantee',
  'lock timeouts?': 'ttl, or wait',
  'force[- ]releases?d?': 'revoke',
}

const IDENTIFIER = /[A-Za-z_$][\w$]*/g

/** lockOwnerIds -> lock, owner, id: a plural is the same word. */
function wordsOf(identifier: string): readonly string[] {
  return identifier
    .split(/_|\$|(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/)
    .map(word => word.toLowerCase())
    .map(word => (word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word))
}

function misnamed(identifier: string): string | undefined {
  if (Object.hasOwn(NOT_A_NAME, identifier)) return NOT_A_NAME[identifier]
  const word = wordsOf(identifier).find(candidate => Object.hasOwn(NOT_IN_CODE, candidate))
  return word === undefined ? undefined : NOT_IN_CODE[word]
}

describe('words of the glossary', () => {
  test('identifiers of the library use them', () => {
    const wrong = new Set<string>()
    let seen = 0
    for (const { path, text } of librarySources()) {
      for (const [identifier] of codeOnly(text).matchAll(IDENTIFIER)) {
        seen += 1
        const instead = misnamed(identifier)
        if (instead !== undefined) wrong.add(`${path}: ${identifier} (say ${instead})`)
      }
    }
    expect(seen).toBeGreaterThan(5_000)
    expect([...wrong]).toEqual([])
  })

  test('documentation uses them', () => {
    const texts = filesOf('README.md', 'docs/', 'CHANGELOG.md').filter(({ path }) => path.endsWith('.md'))
    expect(texts.length).toBeGreaterThan(0)
    const wrong = Object.entries(NOT_IN_TEXT).flatMap(([word, instead]) =>
      linesThat(texts, new RegExp(`\\b${word}\\b`, 'i')).map(line => `${line} (say ${instead})`),
    )
    expect(wrong).toEqual([])
  })

  test('the check itself sees a wrong word', () => {
    expect(wordsOf('lockOwnerIDs')).toContain('owner')
    expect(misnamed('lockOwner')).toBeDefined()
    expect(misnamed('holder')).toBeUndefined()
    expect(misnamed('extend')).toBeDefined()
  })
})
