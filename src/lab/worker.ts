/** A worker process: opens its half of an experiment, plays its parts, and leaves when the parent does. */
import { join } from 'node:path'
import { flag, number, oneOf, record, text } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import { HoldfastError } from '../base/errors.ts'
import { openJournal } from '../journal/write.ts'
import type { Journal } from '../journal/write.ts'
import { open, openStore } from '../open.ts'
import { STATES } from './acts.ts'
import type { Closable, Site } from './declaration.ts'
import type { Staging } from './experiment.ts'
import { experimentNamed } from './experiments/index.ts'
import { hostNow, sleepUntil } from './host-time.ts'
import type { Message } from './wire.ts'

/** How this worker plays its parts; null: it is not open yet. */
let play: ((name: string, turn: Staging) => Promise<void>) | null = null
let journal: Journal | null = null
let key = ''
let stop = new AbortController()
const closables: Closable[] = []

/** Gates that it may pass though it has not reached them. */
let passes = 0
let letOn: (() => void) | null = null

// Ctrl-C reaches the whole terminal group. The parent decides what it means, so that no round ends half reported.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('message', message => {
  obey(message).catch((error: unknown) => {
    const code = error instanceof HoldfastError ? error.code : ''
    send({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) })
  })
})

async function obey(message: unknown): Promise<void> {
  const request = record(message, "The parent's message")
  switch (oneOf(request, 'kind', ['open', 'play', 'pass', 'stop', 'close'])) {
    case 'open':
      await begin(request)
      return send({ kind: 'done' })
    case 'play':
      return perform(request)
    case 'pass':
      passes += 1
      return letOn?.()
    case 'stop':
      stop.abort()
      return letOn?.()
    case 'close':
      stop.abort()
      for (const closable of closables.toReversed()) await closable.close()
      process.exit()
  }
}

async function begin(request: Fields): Promise<void> {
  const experiment = experimentNamed(text(request, 'experiment'))
  const name = text(request, 'name')
  const given = record(request['given'], 'given')
  const namespace = text(given, 'namespace')
  const folder = request['journal']
  const path = typeof folder === 'string' ? join(folder, `${name.replaceAll(' ', '-')}.journal`) : null
  if (path !== null) closables.push((journal = openJournal(path, name)))
  const use = <Thing extends Closable>(thing: Thing): Thing => {
    closables.push(thing)
    return thing
  }
  const locks: Site<unknown>['locks'] = async (store, { through, ...more } = {}) => {
    const options = { ...more, holder: name, ...(path !== null && { journal: path }) }
    const opened = await (through === undefined
      ? open(store, { ...options, namespace })
      : open(through(await openStore(store, namespace)), options))
    use({ close: () => opened.close({ drain: 0 }) })
    return opened
  }
  const site = { name, namespace, place: record(request['place'], 'place'), locks, use }
  play = (await experiment?.open(given, site)) ?? null
}

async function perform(request: Fields): Promise<void> {
  stop = new AbortController()
  passes = 0
  const { signal } = stop
  const startAt = number(request, 'startAt')
  key = text(request, 'key')
  const free = flag(request, 'free')
  try {
    await sleepUntil(startAt, signal)
    await play?.(text(request, 'part'), {
      wayName: text(request, 'way'),
      order: record(request['order'], 'order'),
      startAt,
      key,
      free,
      signal,
      act,
      gate: async (type, fields) => (free ? act(type, fields) : gate(signal, type, fields)),
    })
  } catch (error) {
    // Told to end early: whatever gave up for it is no failure.
    if (!signal.aborted) throw error
  }
  act('ends')
  send({ kind: 'done' })
}

function act(type: string, fields: Message = {}): void {
  send({ kind: 'act', body: { ...fields, type, at: hostNow() } })
  // The locks write of themselves when one waits and holds.
  if (!Object.hasOwn(STATES, type) || type === 'refused') journal?.write({ ...fields, type, key })
}

/** @throws Error  the part is to end early */
async function gate(signal: AbortSignal, type: string, fields: Message = {}): Promise<void> {
  act(type, fields)
  while (passes === 0 && !signal.aborted) await new Promise<void>(resolve => (letOn = resolve))
  letOn = null
  signal.throwIfAborted()
  passes -= 1
}

function send(message: Message): void {
  if (process.connected) process.send?.(message)
}
