/** The experiments, in the order in which the list shows them. */
import type { Experiment } from '../experiment.ts'
import { adjustableTtl } from './adjustable-ttl/adjustable-ttl.ts'
import { clockJump } from './clock-jump/clock-jump.ts'
import { crashedHolder } from './crashed-holder/crashed-holder.ts'
import { deadlock } from './deadlock/deadlock.ts'
import { doubleBooking } from './double-booking/double-booking.ts'
import { emailGroup } from './email-group/email-group.ts'
import { employee } from './employee/employee.ts'
import { failoverDurable } from './failover-durable/failover-durable.ts'
import { failover } from './failover/failover.ts'
import { nested } from './nested/nested.ts'
import { pausedWriter } from './paused-writer/paused-writer.ts'
import { redisAcl } from './redis-acl/redis-acl.ts'
import { thunderingHerd } from './thundering-herd/thundering-herd.ts'
import { ttlAtRisk } from './ttl-at-risk/ttl-at-risk.ts'
import { ttlIndex } from './ttl-index/ttl-index.ts'
import { unlock } from './unlock/unlock.ts'
import { withdrawal } from './withdrawal/withdrawal.ts'

export const experiments: readonly Experiment[] = [
  employee,
  withdrawal,
  emailGroup,
  ttlIndex,
  crashedHolder,
  adjustableTtl,
  pausedWriter,
  doubleBooking,
  ttlAtRisk,
  deadlock,
  nested,
  thunderingHerd,
  unlock,
  redisAcl,
  failover,
  failoverDurable,
  clockJump,
]

export function experimentNamed(name: string): Experiment | undefined {
  return experiments.find(experiment => experiment.name === name)
}
