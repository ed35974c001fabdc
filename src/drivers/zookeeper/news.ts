/**
 * What ZooKeeper tells by itself: that a node has changed or gone, once for each watch.
 *
 * Who waits watches the tickets in front of it on which its turn depends, mostly one: when one goes, only those behind
 * it are told. A ticket of ours that lives for longer than a moment is watched too, for an operator may revoke it. A
 * connection that ends tells all its watches, and everything is looked at again.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import type { Io } from '../../store/contract.ts'
import { holding } from '../../store/rule.ts'
import { blockersOf } from '../shared/queue-keys/line.ts'
import type { Line } from '../shared/queue-keys/line.ts'
import type { Follower, News } from '../shared/queue-keys/news.ts'
import type { Link } from './client.ts'
import type { Sessions } from './connection.ts'
import { getNode } from './statements.ts'
import type { Names, Node } from './statements.ts'

export interface Watching {
  readonly sessions: Sessions
  readonly names: Names
  read(key: string, id: string | null, io: Io): Promise<Line>
}

export interface Watch {
  /** While tickets of ours wait for this lock. */
  follow(key: string, news: News): Follower
  /** From now on tickets of ours are looked after. */
  listen(news: News): AsyncDisposable
  /** This ticket of ours is new. */
  mind(key: string, id: string): void
}

const IO: Io = { timeoutMs: 5_000 }
/** No ticket's words are asked for, only who stands where. */
const NOBODY = ''
const AGAIN_MS = 250
/** Most tickets do not live for so long, and cost no watch. */
const BRIEF_MS = 25

export function createWatch({ sessions, names, read }: Watching): Watch {
  let listening: News | null = null

  /** The node now, and when that is no longer so. null: it is not there. */
  async function look(
    link: Link,
    path: string,
  ): Promise<{ readonly node: Node | null; readonly later: Promise<void> }> {
    let tell = (): void => {}
    const later = new Promise<void>(resolve => (tell = resolve))
    const stop = link.watch(path, tell)
    try {
      const outcome = await link.ask(getNode(path, { watch: true }))
      if (outcome.ok) return { node: outcome.value, later }
    } catch (cause) {
      stop()
      throw cause
    }
    stop()
    tell()
    return { node: null, later }
  }

  function follow(key: string, news: News): Follower {
    let on = true
    let wake = (): void => {}
    const watched = new Set<string>()

    async function watch(path: string): Promise<void> {
      watched.add(path)
      const { later } = await sessions.any().use(link => look(link, path), IO)
      const told = (): void => {
        watched.delete(path)
        wake()
      }
      void later.then(told)
    }

    async function round(): Promise<void> {
      const woken = new Promise<void>(resolve => (wake = resolve))
      const { tickets, revision } = await read(key, NOBODY, IO)
      if (on) news.line(key, { tickets, revision })
      if (!on) return
      const holders = holding(tickets)
      const blockers = tickets.flatMap(({ id }, index) =>
        index >= holders && news.own.has(id) ? blockersOf(tickets, index) : [],
      )
      const paths = new Set(blockers.map(({ id }) => names.ticket(key, id)))
      await Promise.all([...paths].filter(path => !watched.has(path)).map(watch))
      // None: ours are gone, and their owners will learn it from their own calls.
      await (paths.size > 0 ? woken : Promise.race([woken, sleep(systemClock, AGAIN_MS, { idle: true })]))
    }

    async function run(): Promise<void> {
      while (on)
        await round().catch(() => {
          watched.clear()
          return sleep(systemClock, AGAIN_MS, { idle: true })
        })
    }

    void run()
    return {
      again: () => wake(),
      stop() {
        on = false
        wake()
      },
    }
  }

  /** Never rejects. */
  async function lookAfter(key: string, id: string, news: News): Promise<void> {
    const path = names.ticket(key, id)
    await sleep(systemClock, BRIEF_MS, { idle: true })
    while (listening === news && news.own.has(id)) {
      try {
        const { node, later } = await sessions.any().use(link => look(link, path), IO)
        if (listening !== news || !news.own.has(id)) return
        const line = await read(key, id, IO)
        if (line.mark !== null) news.marked(id, line.mark)
        news.line(key, line)
        if (node === null) return
        await later
      } catch {
        await sleep(systemClock, AGAIN_MS, { idle: true })
      }
    }
  }

  return {
    follow,
    listen(news) {
      listening = news
      for (const [id, { key }] of news.own) void lookAfter(key, id, news)
      return {
        async [Symbol.asyncDispose]() {
          if (listening === news) listening = null
        },
      }
    },
    mind(key, id) {
      if (listening !== null) void lookAfter(key, id, listening)
    },
  }
}
