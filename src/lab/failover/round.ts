/** One round of the failover experiment: lock, fault, lock again, and what is in the row at the end. */
import { flag, list } from '../../base/decode.ts'
import { play } from '../actor.ts'
import type { Act } from '../actor.ts'
import { hostNow } from '../host-time.ts'
import type { Message } from '../wire.ts'
import type { Crew, Member } from '../workers.ts'
import type { Ledger } from './ledger.ts'
import { startNodes, startPair } from './servers.ts'
import type { Servers } from './servers.ts'

export const WAYS = ['redis', 'fenced', 'redlock'] as const
export type Way = (typeof WAYS)[number]

export const REPAIRED: readonly Way[] = ['fenced', 'redlock']

export const DESCRIPTIONS: Readonly<Record<Way, string>> = {
  redis: 'a lock on a primary with a replica',
  fenced: 'the same, and each transaction begins with fence()',
  redlock: 'a lock on a majority of five independent servers',
}

export interface Round {
  readonly way: Way
  readonly first: readonly Act[]
  readonly second: readonly Act[]
  readonly struckAt: number
  /** Both had a lease, and the first was still sure of its own when it wrote. */
  readonly twoHolders: boolean
  /** Entries whose writer was told that they are written. */
  readonly confirmed: readonly string[]
  /** Entries whose writer was told that it is too late. */
  readonly refused: readonly string[]
  /** Confirmed, and not in the row. */
  readonly lost: readonly string[]
  /**
   * With a majority of the nodes down, whoever wants the lock is told that the store is not there. null: no such thing.
   */
  readonly refusedWithoutMajority: boolean | null
}

export interface RoundOptions {
  readonly key: string
  /** Take the repair out under the same name; for the broken way: put one in. */
  readonly sabotaged: boolean
}

export async function playRound(way: Way, crew: Crew, ledger: Ledger, options: RoundOptions): Promise<Round> {
  const { sabotaged } = options
  await ledger.write([], null)
  const servers =
    way === 'redlock'
      ? await startNodes({ alone: sabotaged })
      : await startPair({ insync: way === 'redis' && sabotaged })
  try {
    return await between(way, crew, ledger, servers, { ...options, fenced: way === 'fenced' && !sabotaged })
  } finally {
    await servers.close()
  }
}

async function between(
  way: Way,
  crew: Crew,
  ledger: Ledger,
  servers: Servers,
  options: { readonly key: string; readonly fenced: boolean },
): Promise<Round> {
  const [firstOne, secondOne] = crew.members
  if (firstOne === undefined || secondOne === undefined) throw new Error('The failover experiment needs two workers.')
  const first: Act[] = []
  const second: Act[] = []
  const told = async (member: Member, order: Message): Promise<readonly Act[]> => {
    const actor = play(member, order)
    await actor.played
    ;(member === firstOne ? first : second).push(...actor.acts)
    return actor.acts
  }
  const lock = (member: Member, store: string): Promise<readonly Act[]> =>
    told(member, { do: 'lock and read', store, ...options })
  const write = (member: Member, entry: string): Promise<readonly Act[]> => told(member, { do: 'write', entry })
  const leave = (member: Member): Promise<readonly Act[]> => told(member, { do: 'leave' })
  const writeSecond = async (): Promise<void> => {
    await write(secondOne, 'second')
    await leave(secondOne)
  }

  servers.prepare()
  await lock(firstOne, servers.before)
  const struckAt = hostNow()
  await servers.strike()
  const early = has(await lock(secondOne, servers.after), 'holds')
  if (early) await writeSecond()
  const sure = flagOf(await write(firstOne, 'first'), 'looks', 'sure')
  const released = flagOf(await leave(firstOne), 'has left', 'released')
  // Refused as long as the first one held: now it is the second one's turn, where there is still a store to say so.
  if (!early && released && has(await lock(secondOne, servers.after), 'holds')) await writeSecond()

  const entries = await ledger.read(null)
  const confirmed = [...(has(first, 'has written') ? ['first'] : []), ...(has(second, 'has written') ? ['second'] : [])]
  const kept = { way, first: [...first], second: [...second], struckAt, twoHolders: early && sure, confirmed }
  // Whoever was refused is still connected to servers that are about to go.
  await leave(secondOne)
  let refusedWithoutMajority: boolean | null = null
  if (servers.strikeMajority !== null) {
    await servers.strikeMajority()
    refusedWithoutMajority = has(await lock(firstOne, servers.after), 'finds no store')
    await leave(firstOne)
  }
  return {
    ...kept,
    refused: [...(has(first, 'is stale') ? ['first'] : []), ...(has(second, 'is stale') ? ['second'] : [])],
    lost: confirmed.filter(entry => !entries.includes(entry)),
    refusedWithoutMajority,
  }
}

function has(acts: readonly Act[], type: string): boolean {
  return acts.some(act => act.type === type)
}

function flagOf(acts: readonly Act[], type: string, name: string): boolean {
  const act = acts.find(candidate => candidate.type === type)
  return act !== undefined && flag(act.fields, name)
}

/** What it read, for people. */
export function entriesOf(act: Act): string {
  const entries = list(act.fields, 'entries')
  return entries.length === 0 ? 'an empty list' : `[${entries.join(', ')}]`
}
