/** A worker process: opens its half of an experiment, does as it is told, and leaves when the parent does. */
import { HoldfastError } from '../base/errors.ts'
import { number, oneOf, record, text } from '../base/decode.ts'
import type { Performer } from './experiment.ts'
import { experimentNamed } from './experiments/index.ts'
import type { Message } from './wire.ts'

let performer: Performer | null = null
let stop = new AbortController()

// Ctrl-C reaches the whole terminal group. The parent decides what it means, so that no round ends half reported.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('message', message => {
  obey(message).catch((error: unknown) => {
    const code = error instanceof HoldfastError ? error.code : ''
    send({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) })
  })
})

function send(message: Message): void {
  if (process.connected) process.send?.(message)
}

async function obey(message: unknown): Promise<void> {
  const request = record(message, "The parent's message")
  switch (oneOf(request, 'kind', ['open', 'perform', 'stop', 'close'])) {
    case 'open': {
      const part = experimentNamed(text(request, 'experiment'))?.worker
      if (part === undefined) throw new Error('This experiment has no part for a worker.')
      performer = await part.open(record(request['config'], 'config'), number(request, 'index'))
      return send({ kind: 'done' })
    }
    case 'perform': {
      stop = new AbortController()
      const turn = {
        startAt: number(request, 'startAt'),
        signal: stop.signal,
        report: (body: Message) => send({ kind: 'report', body }),
      }
      await performer?.perform(record(request['order'], 'order'), turn)
      return send({ kind: 'done' })
    }
    case 'stop':
      return stop.abort()
    case 'close':
      stop.abort()
      await performer?.close()
      process.exit()
  }
}
