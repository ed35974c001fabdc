/**
 * `holdfast lab tour`: predict, then see. It asks, runs a short experiment on the embedded stores, shows a picture and
 * says one sentence; then it asks six questions about your own system, and recommends.
 *
 * Lines are read as they come, from a terminal or a pipe. Who gives none (Enter, or the end of the pipe) only watches.
 */
import { createInterface } from 'node:readline'
import type { Account } from './account.ts'
import { advise, QUESTIONNAIRE, TYPICAL } from './advice.ts'
import type { Answer, Answers } from './advice.ts'
import { experimentNamed } from './experiments/index.ts'
import type { Performed } from './judge.ts'
import { presets } from './options.ts'
import type { Progress } from './progress.ts'
import { showVerdict } from './show.ts'
import { onSignals } from './stage.ts'
import { heading, paragraph, paragraphs } from './table.ts'
import { compared, figureOf, pictureOf, STEPS } from './tour-steps.ts'
import type { Step } from './tour-steps.ts'

export interface TourOptions {
  /** Asks nothing. */
  readonly yes: boolean
  readonly progress: Progress
  print(...lines: readonly string[]): void
}

/** Whether each experiment showed what it must, and the signal that ended the tour early. */
export async function tour({
  yes,
  progress,
  print,
}: TourOptions): Promise<Pick<Performed, 'passed' | 'interruptedBy'>> {
  const reader = yes ? null : readLines()
  const ask = async (question: string): Promise<string> => {
    print(...paragraph(question))
    return reader === null ? '' : reader.next()
  }
  let interruptedBy: NodeJS.Signals | null = null
  // Also while it asks, and between two experiments.
  const deaf = onSignals(signal => {
    interruptedBy ??= signal
    reader?.close()
  })
  let measured: Account | null = null
  let passed = true
  print(...INTRODUCTION)
  try {
    for (const [index, step] of STEPS.entries()) {
      print(...heading(`${index + 1} of ${STEPS.length + 1}: ${step.experiment}`), ...paragraph(step.tells))
      const guess = await ask(step.asks)
      if (interruptedBy !== null) break
      const performed = await show(step, progress)
      if (interruptedBy !== null) break
      const { answer, sentence } = step.sees(figureOf(performed.account))
      const said = [...compared(guess, answer), sentence].join(' ')
      print(...pictureOf(performed.account, step.ways[0]), ...paragraph(said))
      if (!performed.passed) print(...showVerdict(performed))
      passed &&= performed.passed
      if (step.experiment === 'employee') measured = performed.account
    }
    if (interruptedBy !== null) return { passed: false, interruptedBy }
    print(...heading(`${STEPS.length + 1} of ${STEPS.length + 1}: your own system`))
    const answers = await questioned(ask)
    if (interruptedBy !== null) return { passed: false, interruptedBy }
    print(...paragraphs('What to do', advise(answers, measured === null ? () => '-' : figureOf(measured))), ...END)
    return { passed, interruptedBy: null }
  } finally {
    deaf()
    reader?.close()
  }
}

const INTRODUCTION = paragraph(
  'Five short experiments with real processes, on this machine, with nothing to start. Say what you expect, then see. Enter alone skips a question, Ctrl-C ends the tour.',
  '',
)
const END = ['', 'All experiments: holdfast lab    As pages with pictures: holdfast lab --all --report FOLDER']

async function show({ experiment, ways, options = {} }: Step, progress: Progress): Promise<Performed> {
  const found = experimentNamed(experiment)
  if (found === undefined) throw new Error(`There is no experiment "${experiment}".`)
  try {
    return await found.perform(
      { ...presets(found.options, 'brief'), ...options, ways: ways.join(',') },
      { say: () => {}, begins: ({ way, round, rounds }) => progress.show(`  ${way}: round ${round} of ${rounds}`) },
    )
  } finally {
    progress.clear()
  }
}

/** No answer: as most readers would. */
async function questioned(ask: (question: string) => Promise<string>): Promise<Answers> {
  const answers: Record<Answer, boolean> = { ...TYPICAL }
  for (const [answer, question] of QUESTIONNAIRE) {
    const typical = TYPICAL[answer] ? 'yes' : 'no'
    const said = (await ask(`${question} (yes or no; Enter: ${typical})`)).toLowerCase()
    if (said !== '') answers[answer] = said.startsWith('y')
  }
  return answers
}

interface Reader {
  /** Empty: there are no more. */
  next(): Promise<string>
  close(): void
}

function readLines(): Reader {
  const lines = createInterface({ input: process.stdin, terminal: false })
  const iterator = lines[Symbol.asyncIterator]()
  return {
    async next() {
      const { done, value } = await iterator.next()
      return done === true ? '' : value.trim()
    },
    close: () => lines.close(),
  }
}
