/** How a page came about, so that somebody else can make it again: the command, the versions, the machine. */
import { arch, cpus, platform, release } from 'node:os'
import { withoutPassword } from '../base/address.ts'
import { hostClock } from '../base/clock.ts'
import { versionOfPackage } from '../base/version.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'

/** What holdfast was called with, without any password. */
export function commandOf(argv: readonly string[]): string {
  return ['holdfast', ...argv.map(shown).map(quoted)].join(' ')
}

/** --store redis://:secret@host, or --store=redis://:secret@host. */
function shown(word: string): string {
  const [, option = '', value = word] = /^(--[\w-]+=)(.*)$/s.exec(word) ?? []
  return option + withoutPassword(value)
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}

export function provenanceOf(argv: readonly string[]): Html {
  const all = cpus()
  const rows: readonly (readonly [string, string | Html])[] = [
    ['command', html`<code>${commandOf(argv)}</code>`],
    ['versions', `holdfast ${versionOfPackage()}, Node ${process.versions.node}`],
    ['machine', `${platform()} ${release()} ${arch()}, ${all.length} x ${(all[0]?.model ?? 'unknown').trim()}`],
    ['at', new Date(hostClock.wall()).toISOString()],
  ]
  return definitions(rows)
}

export function definitions(rows: readonly (readonly [string, string | Html])[]): Html {
  return html`<dl>
    ${rows.map(
      ([term, meaning]) =>
        html`<dt>${term}</dt>
          <dd>${meaning}</dd> `,
    )}
  </dl>`
}
