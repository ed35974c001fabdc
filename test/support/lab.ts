/** An experiment as users run it, with a temporary directory of its own, so that a test sees what is left behind. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { experimentNamed } from '../../src/lab/experiments/index.ts'
import { createSite, isRunning, until } from './holdfast.ts'
import type { Finished, Site } from './holdfast.ts'

export interface Verdict {
  readonly experiment: string
  readonly passed: boolean
  readonly interrupted: boolean
  readonly findings: readonly { readonly claim: string; readonly holds: boolean; readonly found: string }[]
  readonly lessons: readonly string[]
  readonly [figures: string]: unknown
}

export interface Bench {
  readonly site: Site
  run(...args: readonly string[]): Promise<Finished>
  /** With --json; also that stderr is empty and that nothing is left behind. */
  judge(
    ...args: readonly string[]
  ): Promise<{ readonly code: number | null; readonly verdict: Verdict; readonly broken: readonly string[] }>
  /** Ctrl-C once `seen` stands in the output. The processes are those that it had started by then. */
  interrupt(
    seen: string,
    ...args: readonly string[]
  ): Promise<{ readonly finished: Finished; readonly started: number; readonly leftOver: readonly number[] }>
  /** What is still in the temporary directory. */
  leftBehind(): readonly string[]
}

/** With the repair of each way taken out exactly these claims fail, those that name it. No way may be left out. */
export function describeSabotage(
  experiment: string,
  claims: Readonly<Record<string, string | readonly string[]>>,
  args: readonly string[] = [],
): void {
  describe('with the repair taken out the claim that names it fails', () => {
    let bench: Bench
    beforeEach(() => {
      bench = createBench()
    })
    afterEach(() => bench.site.clear())

    test('every way has a repair that can be taken out', () => {
      expect(Object.keys(claims).join()).toBe(experimentNamed(experiment)?.options['ways']?.default)
    })

    test.each(Object.entries(claims))('%s', async (way, failing) => {
      const only = ['--rounds', '1', '--ways', way, '--sabotage', way, ...args]
      const { code, broken } = await bench.judge(experiment, ...only)
      expect({ code, broken }).toEqual({ code: 1, broken: [failing].flat().map(claim => `${way}: ${claim}`) })
    })
  })
}

/** Only ends what hangs: a machine that is busy with other things may take long to come to it. */
const PATIENCE_MS = 180_000

export function createBench(): Bench {
  const site = createSite()
  const temporary = site.path('tmp')
  mkdirSync(temporary)
  // Servers that are started by root run as somebody else, who must get through.
  for (const folder of [site.folder, temporary]) chmodSync(folder, 0o755)
  const env = { TMPDIR: temporary }
  const run: Bench['run'] = (...args) => site.holdfast(['lab', ...args], { env })
  const leftBehind = (): readonly string[] => readdirSync(temporary)

  return {
    site,
    run,
    leftBehind,
    async judge(...args) {
      const { code, stdout, stderr } = await run(...args, '--json')
      expect({ stderr, leftBehind: leftBehind() }).toEqual({ stderr: '', leftBehind: [] })
      const verdict: Verdict = JSON.parse(stdout)
      return { code, verdict, broken: verdict.findings.filter(finding => !finding.holds).map(finding => finding.claim) }
    },
    async interrupt(seen, ...args) {
      const running = site.start(['lab', ...args], { env })
      let text = ''
      running.child.stdout?.on('data', piece => (text += String(piece)))
      await until(`"${seen}"`, () => text.includes(seen), PATIENCE_MS)
      const children = childrenOf(running.pid)
      running.child.kill('SIGINT')
      const finished = await running.finished
      return { finished, started: children.length, leftOver: children.filter(isRunning) }
    },
  }
}

function childrenOf(pid: number): readonly number[] {
  // It fails where there is none.
  const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
  return stdout.trim().split('\n').filter(Boolean).map(Number)
}
