/**
 * What every process believed, what the store showed, and whether both can be true.
 *
 * A belief is what a lease said of itself: at this moment, still so many milliseconds. It stands until then, whatever
 * happens to its process meanwhile (stopped, killed), or until its owner has said that it is over. All times are of the
 * one monotonic clock of the host, and each is read on the side that makes the belief shorter: what is found here is no
 * rounding.
 */
export interface Belief {
  readonly worker: string
  readonly lease: number
  readonly key: string
  readonly token: number
  readonly mode: 'exclusive' | 'shared'
  readonly limit: number | null
  readonly atMs: number
}

export type Word =
  | ({ readonly type: 'holds'; readonly untilMs: number } & Belief)
  | { readonly type: 'still'; readonly worker: string; readonly lease: number; atMs: number; untilMs: number }
  | { readonly type: 'ends'; readonly worker: string; readonly lease: number; readonly atMs: number }
  /** What nobody expected: a defect of ours. */
  | { readonly type: 'surprise'; readonly worker: string; readonly error: string }
  | { readonly type: 'did'; readonly what: string }

/** What the store showed of one key between two moments. */
export interface Shown {
  readonly key: string
  readonly askedMs: number
  readonly answeredMs: number
  readonly holders: readonly { readonly token: number; readonly tokens: number; readonly leftMs: number }[]
}

interface Claim extends Belief {
  readonly said: { readonly atMs: number; readonly untilMs: number }[]
  endedMs: number
  /** The store has been found to contradict it, which need not be told again at each look. */
  contradicted: boolean
}

export interface Ledger {
  note(word: Word): void
  shown(shown: Shown): void
  /** An operator took held tickets of this key: exclusion is broken by order, and only tokens protect. */
  taken(key: string, atMs: number): void
  did(what: string): void
  violation(text: string): void
  readonly counts: ReadonlyMap<string, number>
  judge(fencing: boolean): readonly string[]
}

/** A grant may be told so long after the store has given it, so an order to take it may lie before the belief. */
const TOLD_LATE_MS = 10_000

export function createLedger(): Ledger {
  const claims = new Map<string, Claim>()
  const views: Shown[] = []
  const orders: { readonly key: string; readonly atMs: number }[] = []
  const counts = new Map<string, number>()
  const violations: string[] = []

  const did = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)
  const nameOf = (word: { readonly worker: string; readonly lease: number }): string => `${word.worker}/${word.lease}`

  function note(word: Word): void {
    if (word.type === 'did') return did(word.what)
    if (word.type === 'surprise') return void violations.push(`${word.worker}: ${word.error}`)
    if (word.type === 'holds') {
      did(`${word.mode} lease`)
      claims.set(nameOf(word), {
        ...word,
        said: [{ atMs: word.atMs, untilMs: word.untilMs }],
        endedMs: Infinity,
        contradicted: false,
      })
      return
    }
    const claim = claims.get(nameOf(word))
    if (claim === undefined) return
    if (word.type === 'ends') claim.endedMs = word.atMs
    else claim.said.push({ atMs: word.atMs, untilMs: word.untilMs })
  }

  const excused = (key: string, fromMs: number, toMs: number): boolean =>
    orders.some(order => order.key === key && order.atMs >= fromMs - TOLD_LATE_MS && order.atMs <= toMs)

  function judge(fencing: boolean): readonly string[] {
    const found = [...violations]
    for (const [key, all] of byKey([...claims.values()])) {
      const inOrder = all.toSorted((a, b) => a.atMs - b.atMs)
      found.push(...overlaps(key, inOrder), ...(fencing ? tokens(key, inOrder) : []))
      for (const shown of views.filter(view => view.key === key)) found.push(...against(shown, inOrder, fencing))
    }
    return found
  }

  function overlaps(key: string, inOrder: readonly Claim[]): string[] {
    const found: string[] = []
    let open: Claim[] = []
    for (const claim of inOrder) {
      open = open.filter(other => endOf(other) > claim.atMs)
      const limited = claim.limit !== null && open.length >= claim.limit
      const rivals = limited ? open : open.filter(other => [claim.mode, other.mode].includes('exclusive'))
      if (rivals.length > 0 && endOf(claim) > claim.atMs) {
        const first = Math.min(...rivals.map(rival => rival.atMs))
        if (excused(key, first, claim.atMs)) did('overlap by order of an operator')
        else found.push(`${key}: ${describe(claim)} beside ${rivals.map(describe).join(' and ')}`)
      }
      open.push(claim)
    }
    return found
  }

  function tokens(key: string, inOrder: readonly Claim[]): string[] {
    const found: string[] = []
    let last: Claim | undefined
    for (const claim of inOrder.filter(each => each.mode === 'exclusive')) {
      if (last !== undefined && claim.token <= last.token && !excused(key, last.atMs, claim.atMs))
        found.push(`${key}: a token did not grow: ${describe(last)}, then ${describe(claim)}`)
      last = claim
    }
    return found
  }

  /** Who believed during the whole look must be in it, with at least as much time. */
  function against(shown: Shown, inOrder: readonly Claim[], fencing: boolean): string[] {
    const { key, askedMs, answeredMs, holders } = shown
    if (excused(key, askedMs, answeredMs)) return []
    return inOrder.flatMap(claim => {
      const said = claim.said.findLast(each => each.atMs <= askedMs)
      if (said === undefined || said.untilMs < answeredMs || claim.endedMs < answeredMs) return []
      did('belief compared with the store')
      const wrong = contradiction(claim, said.untilMs)
      if (wrong === null || claim.contradicted) return []
      claim.contradicted = true
      return [`${key}: ${describe(claim)}${wrong}`]
    })

    function contradiction(claim: Claim, untilMs: number): string | null {
      const mine = holders.filter(
        each => !fencing || (each.token <= claim.token && claim.token < each.token + each.tokens),
      )
      if (mine.length === 0) return `, but the store gave it to ${JSON.stringify(holders)}`
      const beyondMs = untilMs - (answeredMs + Math.max(...mine.map(each => each.leftMs)))
      return beyondMs > 0 ? `, ${beyondMs.toFixed(1)} ms longer than the store` : null
    }
  }

  return {
    note,
    did,
    counts,
    judge,
    shown: shown => void views.push(shown),
    taken: (key, atMs) => void orders.push({ key, atMs }),
    violation: text => void violations.push(text),
  }
}

/** When the belief is over: its owner said so, or its last window has closed. */
function endOf(claim: Claim): number {
  return Math.min(claim.endedMs, claim.said.at(-1)?.untilMs ?? claim.atMs)
}

function describe(claim: Claim): string {
  const [from, to] = [claim.atMs, endOf(claim)].map(ms => ms.toFixed(1))
  return `${claim.worker} believed in its ${claim.mode} lease ${claim.token} from ${from} to ${to}`
}

function byKey(claims: readonly Claim[]): Map<string, Claim[]> {
  const keys = new Map<string, Claim[]>()
  for (const claim of claims) {
    const own = keys.get(claim.key) ?? []
    own.push(claim)
    keys.set(claim.key, own)
  }
  return keys
}
