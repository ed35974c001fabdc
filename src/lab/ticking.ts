/**
 * Rounds of workers that tick together: they begin at one instant of the host's clock, and at each tick every one makes
 * an attempt. Without that they would hardly ever meet. A round in which chance had it that nothing was to be seen is
 * run on, and the output says so.
 */
import { humanMs } from '../base/duration.ts'
import { ConfigurationError } from '../base/errors.ts'
import { attemptEachTick } from './attempts.ts'
import type { Site, Stage, Turn, Worker } from './declaration.ts'
import { count } from './figures.ts'
import { hostNow } from './host-time.ts'
import { span, whole } from './options.ts'
import type { SettingsOf } from './options.ts'
import type { Message } from './wire.ts'

const DAY_MS = 86_400_000
/** From the order to the common start: long enough for the message to reach every worker of a busy machine. */
const BARRIER_MS = 100
/** Beyond the part itself: what it may wait for locks, and a machine that is busy with other things. */
const SLACK_MS = 120_000
/** A round that has shown nothing yet is run on so many times at most. */
const EXTENSIONS = 4

/** The options of an experiment whose workers tick. */
export const ticking = {
  workers: whole({
    default: '2',
    min: 2,
    max: 64,
    help: 'worker processes, 2 to 64',
    why: 'One worker alone has nobody to collide with.',
  }),
  durationMs: span({ default: '10s', brief: '1s', min: 1, max: DAY_MS, help: 'length of each round' }),
  intervalMs: span({
    default: '1s',
    brief: '100ms',
    min: 1,
    max: DAY_MS,
    help: 'time between two ticks; at each tick every worker makes one update',
  }),
  lateMs: span({ default: '0s', max: 60_000, help: 'keep all but the first apart from it by so much', hidden: true }),
}
export type Ticking = SettingsOf<typeof ticking>

/** @throws ConfigurationError */
export function refuseWithoutTick({ durationMs, intervalMs }: Ticking): void {
  if (durationMs < intervalMs)
    throw new ConfigurationError('--duration must be at least as long as --interval: a round needs a tick.')
}

/** Starts them: worker 1, worker 2 and so on. */
export function startTicking({ workers, settings }: Stage<Ticking>, place: Message): Promise<readonly Worker[]> {
  const names = Array.from({ length: settings.workers }, (_, index) => `worker ${index + 1}`)
  return workers(names, place)
}

/** For the conditions of a run. */
export function showTicking({ workers, durationMs, intervalMs }: Ticking): string {
  return `${workers} processes, all ticking together every ${humanMs(intervalMs)}, ${humanMs(durationMs)} a round`
}

/** All play the part, and again until `outcome` is shown. It is told how often the round was run on. */
export async function tickUntilShown<Outcome>(
  { crew, part, stage }: { readonly crew: readonly Worker[]; readonly part: string; readonly stage: Stage<Ticking> },
  look: (extended: number) => Promise<{ readonly outcome: Outcome; readonly shown: boolean }>,
): Promise<Outcome> {
  const withinMs = stage.settings.durationMs + SLACK_MS
  for (let extended = 0; ; extended += 1) {
    const startAt = hostNow() + BARRIER_MS
    await Promise.all(crew.map(worker => worker.play(part, {}, { startAt, withinMs }).done))
    const { outcome, shown } = await look(extended)
    if (shown || extended === EXTENSIONS || stage.interrupted.aborted) return outcome
  }
}

export function showExtended({ extended }: { readonly extended: number }): readonly string[] {
  return extended > 0 ? [`  Run on ${count(extended, 'time')}: it had shown nothing yet.`] : []
}

/** In a worker: an attempt at every tick. */
export function tick(
  { name, settings }: Pick<Site<Ticking>, 'name' | 'settings'>,
  turn: Turn<unknown>,
  attempt: Parameters<typeof attemptEachTick>[2],
): Promise<void> {
  const late = name === 'worker 1' ? 0 : settings.lateMs
  return attemptEachTick(turn, { ...settings, startAt: turn.startAt + late }, attempt)
}
