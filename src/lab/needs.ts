/** What an experiment cannot do without, and whether this machine has it. */
import { obstacleOf } from '../servers/find.ts'
import type { ServerKind } from '../servers/kind.ts'

export interface Needs {
  /** For the list: "redis". */
  readonly told: string
  /** What is missing here, and what to do about it; null: nothing. */
  obstacle(): string | null
}

export const NODE_ALONE: Needs = { told: 'nothing', obstacle: () => null }

/** Servers that it starts itself. */
export function serversOf(...kinds: readonly ServerKind[]): Needs {
  return {
    told: kinds.map(({ name }) => name).join(', '),
    obstacle: () => kinds.map(obstacleOf).find(obstacle => obstacle !== null) ?? null,
  }
}
