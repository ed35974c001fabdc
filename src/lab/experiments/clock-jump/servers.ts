/** A Redis and a PostgreSQL whose clocks can be stepped, and that are asked for their own time. */
import { migrationAt } from '../../../drivers/postgres/migration.ts'
import { POSTGRES } from '../../../servers/postgres.ts'
import { REDIS } from '../../../servers/redis.ts'
import { startServer } from '../../../servers/start.ts'
import type { FaultServer } from '../../../servers/start.ts'
import { withSteppedClock } from '../../../servers/stepped-clock.ts'
import { databaseOf } from '../../database.ts'
import type { Stage } from '../../declaration.ts'
import { refuseWithout, refuseWithoutPackage, serversOf } from '../../needs.ts'
import type { Needs } from '../../needs.ts'
import { openRaw, refuseWithoutAnswer } from '../../redis.ts'
import { numberOf } from '../../tables.ts'

const KINDS = { redis: withSteppedClock(REDIS), postgres: withSteppedClock(POSTGRES) } as const

export const NEEDS_CLOCKS: Needs = {
  ...serversOf(KINDS.redis, KINDS.postgres),
  told: 'redis, postgres, a C compiler',
}

export interface Clocked {
  readonly address: string
  /** Milliseconds of its own wall clock, as it tells them. */
  now(): Promise<number>
  /** Off by so much from now on. */
  step(offsetMs: number): void
}

/** @throws StoreUnavailableError  saying what this machine lacks */
export async function startClocked(
  stage: Stage<unknown>,
): Promise<{ readonly redis: Clocked; readonly postgres: Clocked }> {
  refuseWithout(NEEDS_CLOCKS)
  await refuseWithoutPackage('pg', 'PostgreSQL')
  const [redis, postgres] = await Promise.all([startedIn(stage, 'redis'), startedIn(stage, 'postgres')])
  await refuseWithoutAnswer(redis.address)
  const raw = stage.use(openRaw(redis.address))
  await migrationAt(postgres.address).apply({ timeoutMs: 60_000 })
  const connection = stage.use(await (await databaseOf(postgres.address)).connect())
  return {
    redis: clocked(redis, async () => 1_000 * Number(await raw.eval("return redis.call('TIME')[1]", stage.key))),
    postgres: clocked(postgres, () =>
      numberOf(connection, 'SELECT floor(1000 * extract(epoch FROM clock_timestamp()))::float8 AS now'),
    ),
  }
}

async function startedIn(stage: Stage<unknown>, name: keyof typeof KINDS): Promise<FaultServer> {
  return stage.use(await startServer(KINDS[name], { stepClock: true }))
}

function clocked({ address, clock }: FaultServer, now: () => Promise<number>): Clocked {
  return { address, now, step: offsetMs => clock?.set(offsetMs) }
}
