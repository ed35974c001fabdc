/** What an experiment cannot do without, and whether this machine has it. */
import { ConfigurationError, StoreUnavailableError } from '../base/errors.ts'
import { installed } from '../drivers/shared/package.ts'
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

/**
 * Before anything is begun or said.
 * @throws StoreUnavailableError  this machine lacks it
 */
export function refuseWithout(needs: Needs): void {
  const obstacle = needs.obstacle()
  if (obstacle === null) return
  throw new StoreUnavailableError(`This experiment starts servers of its own: ${obstacle}`, { ambiguous: false })
}

/** The client package of a server that it starts. @throws StoreUnavailableError  it is not installed */
export async function refuseWithoutPackage(name: string, where: string): Promise<void> {
  try {
    await installed({ names: [name], where })
  } catch (cause) {
    if (!(cause instanceof ConfigurationError)) throw cause
    throw new StoreUnavailableError(cause.message, { cause, ambiguous: false })
  }
}
