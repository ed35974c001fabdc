// Draws the pictures of docs/lab.md, each from a run on this machine: what happened, not what should have.
//
//   node scripts/pictures.mjs
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs'), '--if-stale'], { stdio: 'inherit' })
const { experimentNamed } = await import('../dist/lab/experiments/index.js')
const { presets } = await import('../dist/lab/options.js')
const { standalone } = await import('../dist/report/picture.js')

/** The width of a page of documentation. */
const WIDTH = 860
const PICTURES = [
  { experiment: 'double-booking', way: 'lease', title: 'A lock of 5 s meets a write that takes longer' },
  { experiment: 'paused-writer', way: 'lease', title: 'A holder is paused, under a lease and nothing else' },
  { experiment: 'paused-writer', way: 'fence', title: 'The same, and the resource is raised to the token first' },
]

const folder = join(root, 'docs', 'pictures')
mkdirSync(folder, { recursive: true })
for (const { experiment, way, title } of PICTURES) {
  const found = experimentNamed(experiment)
  const given = { ...presets(found.options, 'full'), rounds: '1', free: '0', ways: way }
  const { passed, account } = await found.perform(given, { say() {}, begins() {} })
  if (!passed) throw new Error(`${experiment} did not show what it must: ${way}`)
  const file = `${experiment}-${way}.svg`
  writeFileSync(join(folder, file), `${standalone(account.ways[0].lanes, { id: file, title, width: WIDTH })}\n`)
  console.log(`docs/pictures/${file}`)
}
