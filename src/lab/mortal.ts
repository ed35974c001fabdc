/** Workers that are killed: at the next round somebody new has the name. */
import type { Stage, Worker } from './declaration.ts'
import type { Message } from './wire.ts'

export interface Mortal {
  /** The one that lives; a new one if the last has been killed. */
  alive(): Promise<Worker>
}

/** A crash: SIGKILL, and the act that tells it. Resolved: nothing of it runs any more. */
export async function kill(stage: Stage<unknown>, { name, child }: Worker): Promise<void> {
  stage.act(name, 'is killed')
  await child.kill()
}

/** The first one is started at once. */
export async function mortal(stage: Stage<unknown>, name: string, place: Message): Promise<Mortal> {
  let [worker]: readonly [Worker] = await stage.workers([name], place)
  return {
    async alive() {
      if (!worker.child.running()) [worker] = await stage.workers([name], place)
      return worker
    },
  }
}
