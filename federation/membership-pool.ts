/**
 * What the next block should say about members, known to every node: a change that the validators have
 * approved, and a key that its members have made. Whoever hears of one checks it against its own chain,
 * keeps it until a block has it, and says it again now and then; so it reaches whoever proposes, also
 * when none of the new members is a validator yet. One of each kind is kept at a time, and changes are on disk.
 *
 *     message = u8 kind (1 member change, 2 key announcement) ‖ body
 */

import { checkMemberChangeOn } from '../src/chain/connect-member-change.ts'
import {
  type MemberChange,
  readMemberChange,
  writeMemberChange,
} from '../src/chain/member-change.ts'
import { getEpochBooks } from '../src/chain/member-sets.ts'
import type { ChainParams } from '../src/chain/params.ts'
import {
  type KeyEpochAnnouncement,
  readKeyEpochAnnouncement,
  verifyKeyEpochAnnouncement,
  writeKeyEpochAnnouncement,
} from '../src/chain/peg/key-epoch-announcement.ts'
import type { StateView } from '../src/chain/state.ts'
import { bytesToHex } from '../src/primitives/bytes.ts'
import { DecodeError, decodeAll, encodeWith } from '../src/primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../src/primitives/result.ts'
import { sha256 } from '../src/primitives/sha256.ts'
import type {
  CancelTimer,
  GossipVerdict,
  Network,
  PeerId,
  Runtime,
} from '../src/runtime/runtime.ts'
import { type Allowance, createAllowance } from './deposits/allowance.ts'
import { wantedKeyTerms } from './key-terms.ts'

export interface MembershipPool {
  /** Keeps a change and tells the others. */
  submit(change: MemberChange): Promise<Result<void, Rejection>>
  /** Keeps a key that this node's member has helped to make, and tells the others. */
  offer(announcement: KeyEpochAnnouncement): void
  /** What the next block should carry, if any. */
  change(): MemberChange | undefined
  announcement(): KeyEpochAnnouncement | undefined
  /** Calls back when there is something new. */
  onChange(handler: () => void): void
  start(): void
  /** Resolves when nothing is on its way to the disk any more. */
  stop(): Promise<void>
}

/** One durable record; undefined is none. */
export interface ChangeRecord {
  read(): Promise<Uint8Array | undefined>
  write(bytes: Uint8Array | undefined): Promise<void>
}

export interface MembershipPoolParts {
  readonly params: ChainParams
  readonly view: () => StateView
  readonly network: Pick<Network, 'publish' | 'onGossip'>
  readonly record: ChangeRecord
  readonly runtime: Runtime
}

/** What is not good costs one signature, the first that does not hold; and one peer takes no other's turn. */
const CHECKS_PER_PEER_AND_MINUTE = 12
const CHECKS_PER_MINUTE = 1_200
/** For whoever was away, or has been linked since. */
const SAY_AGAIN_MS = 10_000
/** What has lately been judged and refused is not judged again. */
const REFUSED_MAX = 100

const CHANGE = 1
const ANNOUNCEMENT = 2

type News =
  | { readonly kind: 'change'; readonly change: MemberChange }
  | { readonly kind: 'announcement'; readonly announcement: KeyEpochAnnouncement }

function encodeNews(news: News): Uint8Array {
  return encodeWith((writer) => {
    if (news.kind === 'change') writeMemberChange(writer.u8(CHANGE), news.change)
    else writeKeyEpochAnnouncement(writer.u8(ANNOUNCEMENT), news.announcement)
  })
}

/** @throws DecodeError */
export function decodeNews(bytes: Uint8Array): News {
  return decodeAll(bytes, (reader) => {
    const kind = reader.u8()
    if (kind === CHANGE) return { kind: 'change', change: readMemberChange(reader) }
    if (kind !== ANNOUNCEMENT) throw new DecodeError('unknown news of members')
    return { kind: 'announcement', announcement: readKeyEpochAnnouncement(reader) }
  })
}

/** With the change that an earlier process has left. Throws what the record throws. */
export async function openMembershipPool(parts: MembershipPoolParts): Promise<MembershipPool> {
  const pool = new Pool(parts)
  pool.restore(await parts.record.read())
  return pool
}

class Pool implements MembershipPool {
  readonly #parts: MembershipPoolParts
  readonly #handlers: (() => void)[] = []
  readonly #perPeer: Allowance
  readonly #perMinute: Allowance
  /** Hashes of messages, oldest first. */
  readonly #refused = new Set<string>()
  #change: MemberChange | undefined
  /** The next epoch and the validators' for which the change has been checked. */
  #approvedUnder: string | undefined
  #announcement: KeyEpochAnnouncement | undefined
  #writing: Promise<void> = Promise.resolve()
  #cancel: CancelTimer | undefined
  #stopped = false

  constructor(parts: MembershipPoolParts) {
    this.#parts = parts
    const { clock } = parts.runtime
    this.#perPeer = createAllowance(clock, CHECKS_PER_PEER_AND_MINUTE)
    this.#perMinute = createAllowance(clock, CHECKS_PER_MINUTE)
    parts.network.onGossip('members', (from, payload) => this.#judge(from, payload))
  }

  restore(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return
    try {
      const news = decodeNews(bytes)
      if (news.kind === 'change') this.#change = news.change
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#parts.runtime.log.error(
        { error: error.message },
        'the member change on disk is damaged',
      )
    }
  }

  start(): void {
    this.#cancel = this.#parts.runtime.timers.after(SAY_AGAIN_MS, () => {
      this.#sayAgain()
      if (!this.#stopped) this.start()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel?.()
    await this.#writing
  }

  onChange(handler: () => void): void {
    this.#handlers.push(handler)
  }

  change(): MemberChange | undefined {
    if (this.#change === undefined) return undefined
    const { view, params } = this.#parts
    const { next, validators } = getEpochBooks(view())
    // This node's chain may be behind what it heard before it was stopped.
    if (next < this.#change.epoch) return undefined
    // Approvals end with the set that gave them; as long as it stands they are checked once.
    const under = `${next} ${validators}`
    if (this.#approvedUnder === under) return this.#change
    if (next === this.#change.epoch && checkMemberChangeOn(view(), params, this.#change).ok) {
      this.#approvedUnder = under
      return this.#change
    }
    this.#setChange(undefined)
    return undefined
  }

  announcement(): KeyEpochAnnouncement | undefined {
    const epoch = this.#announcement?.epoch
    if (epoch === undefined) return undefined
    const isWanted = wantedKeyTerms(this.#parts.view()).some((terms) => terms.epoch === epoch)
    if (!isWanted) this.#announcement = undefined
    return this.#announcement
  }

  async submit(change: MemberChange): Promise<Result<void, Rejection>> {
    if (this.#stopped) return reject('not-synced', 'premature', 'this node is stopping')
    const checked = checkMemberChangeOn(this.#parts.view(), this.#parts.params, change)
    if (!checked.ok) return checked
    // Of two that are approved for one number the first stays: only one can ever be in the chain.
    const before = this.change()
    if (before !== undefined) {
      const isSame =
        digest({ kind: 'change', change: before }) === digest({ kind: 'change', change })
      if (!isSame) return reject('member-change-waiting', 'premature', 'another change waits')
    }
    this.#takeChange(change)
    await this.#writing
    return ok(undefined)
  }

  offer(announcement: KeyEpochAnnouncement): void {
    if (this.#stopped || this.announcement() !== undefined) return
    this.#announcement = announcement
    this.#publish({ kind: 'announcement', announcement })
    this.#tell()
  }

  #takeChange(change: MemberChange): void {
    this.#setChange(change)
    this.#publish({ kind: 'change', change })
    this.#tell()
  }

  #judge(from: PeerId, payload: Uint8Array): GossipVerdict {
    if (this.#stopped) return 'ignore'
    let news: News
    try {
      news = decodeNews(payload)
    } catch (error) {
      if (error instanceof DecodeError) return 'reject'
      throw error
    }
    const name = bytesToHex(sha256(payload))
    if (this.#refused.has(name) || !this.#isNew(news)) return 'ignore'
    if (!this.#perPeer.take(from) || !this.#perMinute.take('all')) return 'ignore'
    if (!this.#isGood(news)) {
      // No blame: this node may be behind, or ahead.
      this.#refused.add(name)
      const [oldest] = this.#refused
      if (this.#refused.size > REFUSED_MAX && oldest !== undefined) this.#refused.delete(oldest)
      return 'ignore'
    }
    if (news.kind === 'change') this.#setChange(news.change)
    else this.#announcement = news.announcement
    this.#tell()
    return 'accept'
  }

  #isNew(news: News): boolean {
    if (news.kind === 'change') {
      return (
        this.change() === undefined && getEpochBooks(this.#parts.view()).next === news.change.epoch
      )
    }
    return this.announcement() === undefined
  }

  #isGood(news: News): boolean {
    const { view, params } = this.#parts
    if (news.kind === 'change') return checkMemberChangeOn(view(), params, news.change).ok
    const { announcement } = news
    const terms = wantedKeyTerms(view()).find(({ epoch }) => epoch === announcement.epoch)
    if (terms === undefined || announcement.threshold !== terms.threshold) return false
    return verifyKeyEpochAnnouncement(announcement, { chainId: params.chainId, ...terms })
  }

  #sayAgain(): void {
    const [change, announcement] = [this.change(), this.announcement()]
    // What was refused may have become good meanwhile.
    this.#refused.clear()
    if (change !== undefined) this.#publish({ kind: 'change', change })
    if (announcement !== undefined) this.#publish({ kind: 'announcement', announcement })
  }

  #publish(news: News): void {
    const { network, runtime } = this.#parts
    network.publish('members', encodeNews(news)).catch((error: unknown) => {
      runtime.log.debug({ error: String(error) }, 'news of members were not gossiped')
    })
  }

  #setChange(change: MemberChange | undefined): void {
    this.#change = change
    this.#approvedUnder = undefined
    const bytes = change === undefined ? undefined : encodeNews({ kind: 'change', change })
    this.#writing = this.#writing
      .then(() => this.#parts.record.write(bytes))
      .catch((error: unknown) => {
        this.#parts.runtime.log.error({ error: String(error) }, 'a member change was not stored')
      })
  }

  #tell(): void {
    for (const handler of this.#handlers) handler()
  }
}

function digest(news: News): string {
  return bytesToHex(sha256(encodeNews(news)))
}
