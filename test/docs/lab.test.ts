/** docs/lab.md is the one reference of the laboratory: each experiment and its options stand in it. */
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { read } from '../tidy/sources.ts'

const page = read('docs/lab.md')
const program = await createProgram({ exit: 0, problem: '' }, ['lab'])
const lab = program.commands.find(command => command.name() === 'lab')
const experiments = lab?.commands.filter(command => command.name() !== 'tour') ?? []

const sections = page.split(/^## /m)
const [common = ''] = sections
const section = (title: string): string => sections.find(part => part.startsWith(`${title}\n`)) ?? ''

test('there are experiments, in the order of the page', () => {
  expect(experiments.length).toBeGreaterThan(3)
  const described = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title)
  expect(described).toEqual(experiments.map(command => command.name()))
})

test('the page begins with the options of the list, and with the tour and its own', () => {
  const tour = lab?.commands.find(command => command.name() === 'tour')
  const options = [...(lab?.options ?? []), ...(tour?.options ?? [])].map(({ long }) => long ?? '')
  expect(options.length).toBeGreaterThan(3)
  expect(common).toContain('npx holdfast lab tour')
  expect(options.filter(option => !common.includes(option))).toEqual([])
})

describe.each(experiments.map(command => [command.name(), command] as const))('%s', (name, command) => {
  const options = command.options.map(({ long }) => long ?? '')
  const table = [...section(name).matchAll(/^\| `(--[a-z-]+)/gm)].map(([, option = '']) => option)

  test('has every one of its options in its table, or among those that all have', () => {
    const hidden = command.options.filter(option => option.hidden).map(({ long }) => long ?? '')
    const visible = options.filter(option => !hidden.includes(option))
    expect(visible.filter(option => !table.includes(option) && !common.includes(`\`${option}`))).toEqual([])
  })

  test('has no option in its table that is not there', () => {
    expect(table.filter(option => !options.includes(option))).toEqual([])
  })

  test('is told by its question, its source, how to run it, how it is measured or done, and what it must show', () => {
    const text = section(name)
    expect(text).toContain(`**Question.** ${command.description()}`)
    for (const part of ['From ', '**Run.**', `npx holdfast lab ${name}`, '**What is done.**', '**What it must show.**'])
      expect(text).toContain(part)
  })
})
