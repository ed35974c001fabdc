/** What to learn, a paragraph a way: of the test what was right, of the benchmark how long it took. */
import { count, share, showMs } from '../../figures.ts'
import { showUpdates } from '../../updates.ts'
import type { Updates } from '../../updates.ts'
import type { Name } from './ways.ts'

export function lessons(of: (way: Name) => readonly Updates[]): readonly string[] {
  const tell: Readonly<Record<Name, (test: Updates, time: string) => string>> = {
    none: ({ inconsistencies, succeeded, lost, errors }) =>
      `Without protection ${inconsistencies} of ${count(succeeded, 'update')} (${share(inconsistencies, succeeded)}) met a row that somebody had changed since it was read, and ${count(lost, 'update')} that had been confirmed ${lost === 1 ? 'is' : 'are'} not in the row, with ${count(errors, 'error')}: the program that loses data this way looks healthy.`,
    memory: test =>
      `A mutex in the memory of each process keeps out its own tasks and nobody else: ${showUpdates([test])}. With a second process it is wrong, and tells nobody.`,
    absolute: test =>
      `All wrote the same salary, whatever they had read: ${showUpdates([test])}. A write that can be repeated without harm needs no lock; the versions tell that people met, not that data is wrong.`,
    mutex: (test, time) =>
      `The mutex left ${showUpdates([test])}. It makes ${test.workers.length} workers take turns, so an update took ${time} on average: while one thinks the others wait. That cost is paid only where workers meet on the same row.`,
    'row-lock': (test, time) =>
      `The row lock left ${showUpdates([test])}, at ${time} on average. If all that you change lies in one database it is enough, and there is no reason to have a mutex as well; a mutex also guards what lies in no database, or in two.`,
    version: ({ errors, attempted }, time) =>
      `The version check makes nobody wait (${time} on average) and refused ${errors} of ${count(attempted, 'attempt')} (${share(errors, attempted)}): right data, and somebody who must read again and decide again. It suits rows on which people seldom meet.`,
  }
  return (['none', 'memory', 'absolute', 'mutex', 'row-lock', 'version'] as const).flatMap(way => {
    const [test, timed = test] = of(way)
    return test === undefined ? [] : [tell[way](test, showMs(timed?.averageMs ?? null))]
  })
}
