/**
 * Asks all nodes at once and answers as soon as the outcome is certain. Whoever is late is not waited for: a node that
 * hangs delays a call at most once, by its own deadline; from then on it is silent, and the others decide without it.
 */
import type { Node } from './node.ts'

export interface Count<Answer> {
  readonly nodes: number
  /** More than half. An even number of nodes so bears no more failures than the odd one below it. */
  readonly majority: number
  readonly answers: ReadonlyMap<Node, Answer>
  readonly failures: ReadonlyMap<Node, unknown>
  /** Not answered yet, and waited for. */
  readonly open: number
  /** Not answered yet, and not expected to. */
  readonly silent: number
}

/** How many answered so. */
export function votes<Answer>(count: Count<Answer>, is: (answer: Answer) => boolean): number {
  let sum = 0
  for (const answer of count.answers.values()) if (is(answer)) sum += 1
  return sum
}

/**
 * Asks every node; `decide` is called after each answer and failure, and gives undefined to wait on. With nothing open
 * or silent it must decide, or throw.
 */
export function ballot<Answer, Result>(
  nodes: readonly Node[],
  ask: (node: Node) => Promise<Answer>,
  decide: (count: Count<Answer>) => Result | undefined,
): Promise<Result> {
  const answers = new Map<Node, Answer>()
  const failures = new Map<Node, unknown>()
  const expected = new Set(nodes.filter(node => !node.silent()))
  return new Promise((resolve, reject) => {
    let decided = false
    const settled = (node: Node): void => {
      expected.delete(node)
      if (decided) return
      const open = expected.size
      const silent = nodes.length - answers.size - failures.size - open
      try {
        const result = decide({
          nodes: nodes.length,
          majority: majorityOf(nodes.length),
          answers,
          failures,
          open,
          silent,
        })
        if (result === undefined) return
        decided = true
        resolve(result)
      } catch (error) {
        decided = true
        reject(error)
      }
    }
    for (const node of nodes) {
      ask(node).then(
        answer => {
          answers.set(node, answer)
          settled(node)
        },
        (cause: unknown) => {
          failures.set(node, cause)
          settled(node)
        },
      )
    }
  })
}

export function majorityOf(nodes: number): number {
  return Math.floor(nodes / 2) + 1
}
