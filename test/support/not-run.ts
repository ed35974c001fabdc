/**
 * Says at the end of a run what was not run, and why. A test that is skipped without a reason fails the run, since
 * nobody would notice that it is gone.
 */
import type { Reporter, TestModule, TestRunEndReason, Vitest } from 'vitest/node'

/** Of one reason; the number says how many there are. */
const SHOWN = 10

export function notRun(): Reporter {
  let filtered = false
  return {
    onInit(vitest: Vitest): void {
      filtered = vitest.config.testNamePattern !== undefined
    },
    onTestRunEnd(modules: readonly TestModule[], _errors: unknown, reason: TestRunEndReason): void {
      if (filtered || reason === 'interrupted') return
      const byReason = new Map<string, string[]>()
      for (const module of modules) {
        for (const test of module.children.allTests('skipped')) {
          const result = test.result()
          const why = result.state === 'skipped' ? (result.note ?? '') : ''
          byReason.set(why, [...(byReason.get(why) ?? []), test.fullName])
        }
      }
      const silent = byReason.get('') ?? []
      byReason.delete('')
      for (const [why, names] of byReason) {
        const rest = names.length > SHOWN ? [`  and ${names.length - SHOWN} more`] : []
        console.log(
          [`Not run (${names.length}): ${why}`, ...names.slice(0, SHOWN).map(name => `  ${name}`), ...rest].join('\n'),
        )
      }
      // A file or hook that failed takes its tests along; the failure itself is reported.
      if (silent.length === 0 || reason === 'failed') return
      console.error(
        `Skipped without a reason:\n${silent.map(name => `  ${name}`).join('\n')}\nGive one: test(name, context => context.skip('why')).`,
      )
      process.exitCode = 1
    },
  }
}
