/** docs/cli.md is the one reference of the command line: what there is stands in it, and what stands in it there is. */
import { describe, expect, test } from 'vitest'
import type { Command } from 'commander'
import { EXIT } from '../../src/cli/exit.ts'
import { createProgram } from '../../src/cli/program.ts'
import { read } from '../tidy/sources.ts'

const page = read('docs/cli.md')
const program = await createProgram({ exit: 0, problem: '' }, [])
/** The experiments and their options are of a page of their own. */
const commands = program.commands.filter(command => command.name() !== 'lab')
const OF_THE_STORE = ['--store', '--namespace', '--json']

const section = (title: string): string => page.split(/^## /m).find(part => part.startsWith(`${title}\n`)) ?? ''
const tableOptions = (text: string): readonly string[] =>
  [...text.matchAll(/^\| (?:`-\w`, )?`(--[a-z-]+)/gm)].map(([, option = '']) => option)
const optionsOf = (command: Command): readonly string[] => command.options.map(({ long }) => long ?? '')

test('every command stands in the table at the top', () => {
  expect(commands.length).toBeGreaterThan(5)
  const listed = [...page.matchAll(/^\| \[`(\w+)/gm)].map(([, name]) => name)
  expect(new Set(listed)).toEqual(new Set(program.commands.map(command => command.name())))
})

describe.each(commands.map(command => [command.name(), command] as const))('%s', (name, command) => {
  const text = section(name)
  const ofTheStore = optionsOf(command).includes('--store')

  test('has every one of its options in the page, by its name and its letter', () => {
    const missing = command.options.filter(({ long, short }) => {
      const where = ofTheStore && OF_THE_STORE.includes(long ?? '') ? section('The store') : text
      return !where.includes(`\`${long}`) || (short !== undefined && !where.includes(`\`${short}\``))
    })
    expect(missing.map(({ flags }) => flags)).toEqual([])
  })

  test('has no option in the page that is not there', () => {
    expect(tableOptions(text).filter(option => !optionsOf(command).includes(option))).toEqual([])
  })

  test('is said to take the options of the store, if it does', () => {
    const [first = ''] = section('The store').split('take:')
    expect(first.includes(`\`${name}\``)).toBe(ofTheStore)
    if (ofTheStore) expect(optionsOf(command)).toEqual(expect.arrayContaining(OF_THE_STORE))
  })
})

test('every exit code stands in the page', () => {
  const { ok, free, overlap, signal, ...listed } = EXIT
  const table = section('run')
  for (const code of Object.values(listed)) expect(table).toMatch(new RegExp(`^\\| .*\\b${code}\\b`, 'm'))
  expect(table).toContain(`${signal} + n`)
  expect(table).toContain(`exits ${free} if the lock is free, \`timeline --check\` if two believed`)
  expect([ok, overlap]).toEqual([0, free])
})
