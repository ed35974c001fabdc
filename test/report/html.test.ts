/** What comes from data is text in a page, whatever it looks like. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { bars } from '../../src/report/chart.ts'
import { html, markupOf } from '../../src/report/html.ts'
import { lanesIn } from '../../src/report/lanes.ts'
import { page, table } from '../../src/report/page.ts'
import { commandOf } from '../../src/report/provenance.ts'
import { HOSTILE, hostileLanes } from './hostile.ts'

test('values are escaped wherever they stand, markup is not, lists are joined, nothing is nothing', () => {
  const name = `<b a="1" c='2'>&`
  expect(markupOf(html`<i title="${name}">${[name, html`<u>${1}</u>`, null, false]}</i>`)).toBe(
    '<i title="&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;">&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;<u>1</u></i>',
  )
})

test('what no page may contain becomes the sign for that', () => {
  expect(markupOf(html`${'a\u0000b\u001bc\ud800d\u0085e\tf\ng'}`)).toBe('a\ufffdb\ufffdc\ufffdd\ufffde\tf\ng')
  expect(markupOf(html`${'日本 😀'}`)).toBe('日本 😀')
})

const ELEMENTS = [
  ...['a', 'svg', 'defs', 'pattern', 'rect', 'g', 'text', 'line', 'title', 'circle', 'path'],
  ...['figure', 'figcaption', 'div', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
]
/** Every `<` that is left begins one of these, or ends it. */
const OURS = new RegExp(`<(?=/?(?:${ELEMENTS.join('|')})\\b)`, 'g')

test('no name, text or title of a picture, a table or a chart makes an element of its own', () => {
  const drawn = [
    lanesIn(hostileLanes, { id: 'x', title: HOSTILE }),
    table(HOSTILE, [{ title: HOSTILE }], [{ cells: [HOSTILE] }]),
    bars(HOSTILE, [
      { name: HOSTILE, text: HOSTILE, bad: true },
      { name: HOSTILE, text: '7', bad: false },
    ]),
  ]
  for (const one of drawn) {
    const text = one === null ? '' : markupOf(one)
    expect(text.length).toBeGreaterThan(100)
    expect(text.replaceAll(OURS, '')).not.toContain('<')
    expect(text).not.toMatch(/<svg\/|<script|<img/)
  }
})

test('a page names its one script by its hash, and fetches nothing', () => {
  const text = page({ title: 't', kicker: 'k', heading: 'h', body: [], foot: null })
  const [, script = ''] = /<script>([^]*)<\/script>/.exec(text) ?? []
  const hash = createHash('sha256').update(script).digest('base64')
  expect(text).toContain(`default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${hash}'`)
  expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/)
})

test('the command is told as it can be typed again, and without a password', () => {
  const store = 'redis://me:secret@h:1/?a=b c'
  expect(commandOf(['lab', 'unlock', '--store', store, `--store=${store}`, "it's"])).toBe(
    String.raw`holdfast lab unlock --store 'redis://me@h:1/?a=b c' '--store=redis://me@h:1/?a=b c' 'it'\''s'`,
  )
})
