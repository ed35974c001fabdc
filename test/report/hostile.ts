/** Names that somebody may have chosen to break a page. */
import type { Lane } from '../../src/journal/model.ts'

export const HOSTILE = `<script>globalThis.hurt=1</script>"'><img src=x onerror="globalThis.hurt=1">&lt;\u0000\u001b[2J\ud800]]>--><svg/onload=hurt>`

export const hostileLanes: readonly Lane[] = [
  {
    name: HOSTILE,
    spans: [
      { kind: 'waiting', from: 0, to: 5 },
      { kind: 'held', from: 5, to: 20 },
      { kind: 'stale', from: 20, to: 2_000 },
    ],
    marks: [
      { at: 6, text: HOSTILE, kind: 'read' },
      { at: 10, text: HOSTILE, kind: 'renewal' },
      { at: 20, text: HOSTILE, kind: 'lost' },
      { at: 2_000, text: HOSTILE, kind: 'refused' },
    ],
  },
  { name: '', spans: [{ kind: 'working', from: 7, to: 7 }], marks: [{ at: 7, text: '', kind: 'moment' }] },
]
