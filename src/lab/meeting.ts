/**
 * The order that most races have: the first has begun and stands at its gate; the second begins; when that one has come
 * as far, waits or was refused, the first goes on to its end, and then the second.
 */
import type { Played, Worker } from './declaration.ts'

export interface Meeting {
  /** Of both. */
  readonly part: string
  /** The gate of the first. */
  readonly at: string
  /** What the second must have come to. */
  readonly until: readonly string[]
}

export async function meet([first, second]: readonly [Worker, Worker], { part, at, until }: Meeting): Promise<void> {
  const one = first.play(part)
  await one.until(at)
  const two = second.play(part)
  await two.until(...until)
  await finish(one)
  await finish(two)
}

/** Lets it through its gate, and waits for its end. */
export async function finish(part: Played): Promise<void> {
  part.pass()
  await part.done
}
